//! The routing table: which function answers what, and who may ask. An unknown path is 404 and a wrong method 405
//! before anybody looks at a token (L1); every other decision about access is taken here and nowhere else.

use super::auth::{Door, Scope};
use super::problem::Problem;
use super::request::{Request, decode, decode_query};
use super::response::Response;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Answers HEAD too.
    Get,
    Post,
    Put,
    Delete,
}

impl Method {
    fn word(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }

    fn answers(self, word: &str) -> bool {
        self.word() == word || (self == Self::Get && word == "HEAD")
    }
}

/// What a route does. A refusal is a `Problem`.
pub type Answer<S> = fn(&S, &Request) -> Result<Response, Problem>;

/// One line of the table.
pub struct Route<S> {
    pub method: Method,
    /// A path; a segment in braces stands for any one segment, `/api/orders/{id}`.
    pub pattern: &'static str,
    pub scope: Scope,
    /// True if each client without a token may call this only so often.
    pub is_limited: bool,
    pub answer: Answer<S>,
}

impl<S> Route<S> {
    pub const fn new(method: Method, pattern: &'static str, scope: Scope, answer: Answer<S>) -> Self {
        Self { method, pattern, scope, is_limited: false, answer }
    }

    pub const fn get(pattern: &'static str, scope: Scope, answer: Answer<S>) -> Self {
        Self::new(Method::Get, pattern, scope, answer)
    }

    pub const fn post(pattern: &'static str, scope: Scope, answer: Answer<S>) -> Self {
        Self::new(Method::Post, pattern, scope, answer)
    }

    pub const fn put(pattern: &'static str, scope: Scope, answer: Answer<S>) -> Self {
        Self::new(Method::Put, pattern, scope, answer)
    }

    /// The same route, limited per client.
    pub const fn limited(self) -> Self {
        Self { is_limited: true, ..self }
    }
}

/// All routes and the door before them.
pub struct Table<S: 'static> {
    routes: &'static [Route<S>],
    door: Door,
}

/// Method, pattern and scope of each route.
pub fn list<S>(routes: &'static [Route<S>]) -> impl Iterator<Item = (&'static str, &'static str, Scope)> {
    routes.iter().map(|route| (route.method.word(), route.pattern, route.scope))
}

/// What a path leads to.
enum Found<S: 'static> {
    Nothing,
    /// The path is known; these methods are.
    OtherMethods(String),
    Route(&'static Route<S>),
}

impl<S> Table<S> {
    pub fn new(routes: &'static [Route<S>], door: Door) -> Self {
        Self { routes, door }
    }

    /// Method and pattern of every route, in the order of the table.
    pub fn list(&self) -> impl Iterator<Item = (&'static str, &'static str, Scope)> {
        list(self.routes)
    }

    /// Answers a request, whatever it is.
    pub fn answer(&self, state: &S, request: Request) -> Response {
        self.try_answer(state, request).unwrap_or_else(Response::from)
    }

    fn try_answer(&self, state: &S, mut request: Request) -> Result<Response, Problem> {
        let route = match self.find(&request.method, &request.path) {
            Found::Nothing => return Err(Problem::not_found("There is nothing under this path.")),
            Found::OtherMethods(allow) => {
                let detail = format!("This path answers {allow}.");
                return Err(Problem::new(405, "method_not_allowed", detail).header("allow", allow));
            }
            Found::Route(route) => route,
        };
        request.caller = self.door.admit(route.scope, &request)?;
        // Who has shown a token can be named and stopped; the limit is for strangers.
        if route.is_limited && request.caller.scope == Scope::Open {
            self.door.knock(&request)?;
        }
        request.params = params(route.pattern, &request.path)
            .ok_or_else(|| Problem::bad_request("bad_path", "The path is not well encoded."))?;
        request.query = decode_query(&request.query_raw)
            .ok_or_else(|| Problem::bad_request("bad_query", "The query is not well encoded."))?;
        (route.answer)(state, &request)
    }

    /// The route with the most literal pattern that fits: `/api/orders/export` goes before `/api/orders/{id}`.
    fn find(&self, method: &str, path: &str) -> Found<S> {
        let fitting = || self.routes.iter().filter(|route| fits(route.pattern, path));
        let Some(best) = fitting().map(|route| literalness(route.pattern)).max() else { return Found::Nothing };
        let mut same = fitting().filter(|route| literalness(route.pattern) == best);
        if let Some(route) = same.find(|route| route.method.answers(method)) {
            return Found::Route(route);
        }
        let mut allow: Vec<&str> = Vec::new();
        for route in fitting().filter(|route| literalness(route.pattern) == best) {
            allow.push(route.method.word());
            if route.method == Method::Get {
                allow.push("HEAD");
            }
        }
        Found::OtherMethods(allow.join(", "))
    }
}

fn parameter(segment: &'static str) -> Option<&'static str> {
    segment.strip_prefix('{')?.strip_suffix('}')
}

/// Literal segments are compared as sent: one path has one spelling, and `/api/%6frders` is not it.
fn fits(pattern: &'static str, path: &str) -> bool {
    let mut segments = path.split('/');
    for wanted in pattern.split('/') {
        match segments.next() {
            Some(segment) if parameter(wanted).is_some() && !segment.is_empty() => {}
            Some(segment) if segment == wanted => {}
            _ => return false,
        }
    }
    segments.next().is_none()
}

/// For each segment whether it is literal; compared from the left.
fn literalness(pattern: &'static str) -> Vec<bool> {
    pattern.split('/').map(|segment| parameter(segment).is_none()).collect()
}

/// The parameters of a fitting path. `None` if one is badly encoded, or could leave its segment (`/`, `..`).
fn params(pattern: &'static str, path: &str) -> Option<Vec<(&'static str, String)>> {
    let mut found = Vec::new();
    for (wanted, segment) in pattern.split('/').zip(path.split('/')) {
        let Some(name) = parameter(wanted) else { continue };
        let value = decode(segment)?;
        if value == "." || value == ".." || value.contains(['/', '\\', '\n', '\r', '\t']) {
            return None;
        }
        found.push((name, value));
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::super::auth::Caller;
    use super::*;

    fn show(_: &(), request: &Request) -> Result<Response, Problem> {
        Ok(Response::text(200, format!("{} {:?} {:?}", request.caller.name, request.params, request.query)))
    }

    fn export(_: &(), _: &Request) -> Result<Response, Problem> {
        Ok(Response::text(200, "export"))
    }

    static ROUTES: &[Route<()>] = &[
        Route::get("/", Scope::Open, show),
        Route::get("/api/orders", Scope::Read, show),
        Route::post("/api/orders", Scope::Operate, show),
        Route::get("/api/orders/{id}", Scope::Read, show),
        Route::get("/api/orders/export", Scope::Read, export),
        Route::post("/api/orders/{id}/approve", Scope::Money, show),
        Route::post("/api/limited", Scope::Open, show).limited(),
    ];

    fn table() -> Table<()> {
        let lookup = |token: &str| Some(Caller { scope: Scope::parse(token)?, name: "t".to_owned() });
        Table::new(ROUTES, Door::new(Some("s"), false, Box::new(lookup)).unwrap())
    }

    #[test]
    fn a_path_leads_where_it_should() {
        let table = table();
        let check = |method: &str, target: &str, token: &str, status: u16, body: &str| {
            let mut request = Request::new(method, target);
            if !token.is_empty() {
                request.headers.push(("authorization".to_owned(), format!("Bearer {token}")));
            }
            let response = table.answer(&(), request);
            let text = String::from_utf8_lossy(&response.body).into_owned();
            assert_eq!(response.status, status, "{method} {target}: {text}");
            assert!(text.contains(body), "{method} {target}: {text}");
        };
        check("GET", "/", "", 200, "nobody");
        check("HEAD", "/", "", 200, "");
        check("GET", "/api/orders/7?a=b%20c", "read", 200, r#"t [("id", "7")] [("a", "b c")]"#);
        check("GET", "/api/orders/a%20b", "read", 200, r#"("id", "a b")"#);
        check("GET", "/api/orders/export", "read", 200, "export");
        check("POST", "/api/orders/7/approve", "money", 200, "7");
        // 404 and 405 come before any look at a token.
        check("GET", "/api/nothing", "", 404, "not_found");
        check("GET", "/api/nothing", "wrong", 404, "not_found");
        check("DELETE", "/api/orders", "", 405, "GET, HEAD, POST");
        check("POST", "/api/orders/7", "wrong", 405, "GET, HEAD");
        check("get", "/api/orders", "", 405, "method_not_allowed");
        check("GET", "/api/orders", "", 401, "unauthorized");
        check("POST", "/api/orders/7/approve", "operate", 403, "scope_too_small");
        // One path has one spelling, and nothing climbs out of its segment.
        check("GET", "/api/orders/", "read", 404, "not_found");
        check("GET", "//api/orders", "read", 404, "not_found");
        check("GET", "/api/%6frders", "read", 404, "not_found");
        check("GET", "/api/../api/orders", "read", 404, "not_found");
        for bad in ["..", "%2e%2e", "%2e", "a%2Fb", "a%5Cb", "%zz", "%", "%00", "%C0%AE", "a%0Ab"] {
            check("GET", &format!("/api/orders/{bad}"), "read", 400, "bad_path");
        }
        check("GET", "/api/orders?a=%", "read", 400, "bad_query");
        check("GET", "/api/orders?a=%", "", 401, "unauthorized");
    }

    #[test]
    fn a_405_names_what_is_allowed() {
        let response = table().answer(&(), Request::new("PUT", "/api/orders"));
        assert_eq!(response.header_value("allow"), Some("GET, HEAD, POST"));
        let response = table().answer(&(), Request::new("GET", "/api/orders"));
        assert_eq!(response.header_value("www-authenticate"), Some("Bearer realm=\"postsale\""));
    }

    #[test]
    fn a_limited_route_tires() {
        let table = table();
        let statuses = || table.answer(&(), Request::new("POST", "/api/limited")).status;
        let answered: Vec<u16> = (0..80).map(|_| statuses()).collect();
        assert_eq!(answered[0], 200);
        assert_eq!(answered[79], 429);
        let mut known = Request::new("POST", "/api/limited");
        known.headers.push(("x-internal-secret".to_owned(), "s".to_owned()));
        assert_eq!(table.answer(&(), known).status, 200, "the limit is for strangers");
        assert_eq!(table.answer(&(), Request::new("GET", "/")).status, 200, "others are not limited");
    }
}
