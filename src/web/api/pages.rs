//! The few pages a buyer sees: what he buys, and what became of it; and the one that ends a seller's login. Each says only
//! what is stored. They change nothing but to note that he came back, and they show no buyer's data, because their addresses can be passed on.

use super::checkout::wait_until_open;
use super::desk::Desk;
use crate::domain::order::OrderId;
use crate::engine::login::{NotIn, lifetimes};
use crate::store::products::{self, Product};
use crate::store::progress::{Progress, of_checkout};
use crate::store::{self, StoreError};
use crate::web::problem::Problem;
use crate::web::request::{Request, decode_query};
use crate::web::response::Response;

pub(super) fn buy(desk: &Desk, request: &Request) -> Result<Response, Problem> {
    let Some(product) = for_sale(desk, request)? else { return Ok(no_product()) };
    let body = format!(
        "<p>Price: {price}</p>\n<form method=\"post\" action=\"/buy/{sku}\">\n<label>Quantity <input name=\"quantity\" \
         type=\"number\" min=\"1\" max=\"1000\" value=\"1\"></label>\n<button>Pay with PayPal</button>\n</form>\n\
         <p>You are charged only after you have approved the payment at PayPal.</p>",
        price = escape(&product.price.to_string()),
        sku = escape(&product.sku),
    );
    Ok(page(200, &product.title, &body))
}

/// Opens the checkout and shows the way to PayPal. A link and not a redirect: the browser lets a form of ours lead only
/// to us.
pub(super) fn pay(desk: &Desk, request: &Request) -> Result<Response, Problem> {
    let refused = |problem: Problem| {
        let response = page(problem.status, "Not possible now", &format!("<p>{}</p>", escape(&problem.detail)));
        problem.headers.iter().fold(response, |response, (name, value)| response.header(name, value))
    };
    Ok(open(desk, request).unwrap_or_else(refused))
}

fn open(desk: &Desk, request: &Request) -> Result<Response, Problem> {
    let Some(product) = for_sale(desk, request)? else { return Ok(no_product()) };
    let form = std::str::from_utf8(&request.body).ok().and_then(decode_query).unwrap_or_default();
    let quantity = form.iter().find(|(name, _)| name == "quantity").and_then(|(_, value)| value.parse().ok());
    let Some(quantity) = quantity.filter(|n| (1..=1000).contains(n)) else {
        return Ok(page(400, "Quantity", "<p>The quantity has to be a whole number from 1 to 1000.</p>"));
    };
    let taken = desk.engine.open_checkout_order(&product.sku, quantity, None, None)?;
    let opened = wait_until_open(desk, &taken.order)?;
    let Some(url) = opened.approve_url.filter(|url| url.starts_with("https://") || url.starts_with("http://")) else {
        return Ok(page(503, "PayPal does not answer", "<p>Nothing was charged. Please try again later.</p>"));
    };
    let body = format!(
        "<p>{quantity} × {price}</p>\n<p><a href=\"{url}\">Continue to PayPal</a></p>\n<p>Order {order}</p>",
        price = escape(&product.price.to_string()),
        url = escape(&url),
        order = escape(&taken.order.0),
    );
    Ok(page(200, &product.title, &body))
}

/// PayPal sends the buyer here after his approval, with `token` = its order id.
pub(super) fn returned(desk: &Desk, request: &Request) -> Result<Response, Problem> {
    let Some((order, progress)) = checkout_of(desk, request)? else {
        return Ok(page(404, "Unknown payment", "<p>This payment is not known here.</p>"));
    };
    if !progress.is_captured && request.method == "GET" {
        desk.engine.buyer_returned(&order)?;
    }
    let (title, said) = match &progress {
        p if p.is_captured => ("Thank you", "Your payment has arrived."),
        p if p.is_closed => ("This payment has ended", "Nothing was charged."),
        _ => ("Thank you", "We are asking PayPal for your payment. Load this page again to see what became of it."),
    };
    Ok(page(200, title, &format!("<p>{said}</p>\n<p>Order {}</p>", escape(&order.0))))
}

/// PayPal sends the buyer here when he leaves without approving.
pub(super) fn cancelled(desk: &Desk, request: &Request) -> Result<Response, Problem> {
    let said = match checkout_of(desk, request)? {
        Some((_, progress)) if progress.is_captured => "This order was paid before; it is on its way to be bought.",
        Some((_, progress)) if progress.has_capture => "We are asking PayPal what became of your payment.",
        Some(_) => "You left PayPal without paying. Nothing was charged.",
        None => "You left PayPal. This payment is not known here.",
    };
    Ok(page(200, "Payment not finished", &format!("<p>{said}</p>")))
}

/// AliExpress sends the seller's browser here after his consent, with a code that lives three minutes. Only a login that
/// was begun here is ended: the state shows it.
pub(super) fn consented(desk: &Desk, request: &Request) -> Result<Response, Problem> {
    let value = |name: &str| request.query_value(name).filter(|value| !value.is_empty());
    if request.method != "GET" {
        return Ok(page(200, "Supplier login", ""));
    }
    let (Some(code), Some(state)) = (value("code"), value("state")) else {
        return Ok(page(400, "Not logged in", "<p>AliExpress sent no code. Begin again.</p>"));
    };
    Ok(match desk.engine.finish_login(state, code) {
        Ok(login) => page(200, "Logged in to AliExpress", &format!("<p>{}</p>", escape(&lifetimes(&login)))),
        Err(NotIn::Engine(error)) => return Err(error.into()),
        Err(error) => page(400, "Not logged in", &format!("<p>{}</p>", escape(&error.to_string()))),
    })
}

fn for_sale(desk: &Desk, request: &Request) -> Result<Option<Product>, Problem> {
    let found = desk.engine.store.read(|c| products::find(c, request.param("sku")))?;
    Ok(found.filter(|product| product.is_active))
}

fn no_product() -> Response {
    page(404, "Not for sale", "<p>There is nothing for sale under this address.</p>")
}

fn checkout_of(desk: &Desk, request: &Request) -> Result<Option<(OrderId, Progress)>, Problem> {
    let Some(token) = request.query_value("token") else { return Ok(None) };
    let found = desk.engine.store.read(|c| {
        let Some(order) = store::checkouts::order_of(c, token)? else { return Ok(None) };
        let progress = of_checkout(c, &order)?;
        Ok::<_, StoreError>(progress.map(|p| (order, p)))
    })?;
    Ok(found)
}

/// `body` is markup; everything in it that came from outside has to be escaped already.
fn page(status: u16, title: &str, body: &str) -> Response {
    let title = escape(title);
    let html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width\">\n<title>{title}</title>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n{body}\n\
         </main>\n</body>\n</html>\n"
    );
    Response::html(status, html)
}

/// Text as it may stand in markup and in a quoted attribute.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_from_outside_stays_text() {
        fn check(text: &str, expected: &str) {
            assert_eq!(escape(text), expected);
        }
        check("a & b", "a &amp; b");
        check("<script>alert('x')</script>", "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;");
        check("\" onload=\"", "&quot; onload=&quot;");
        check("café", "café");
    }
}
