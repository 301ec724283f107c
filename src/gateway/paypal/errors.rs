//! The one table that turns PayPal's error answers into what may be done next. It must never call anything of a
//! money call a definite no that PayPal has not documented as one: in doubt the outcome is unknown.

use super::Operation;
use crate::gateway::json::Node;
use crate::gateway::wire::Answer;
use crate::gateway::{CallError, tame};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// Documented: nothing happened.
    No,
    /// Documented, and it says that something may be there already: look.
    Look,
}
use Operation::{CancelItem, Capture, CreateOrder, Pay, Refund, Track};
use Verdict::{Look, No};

/// Operation, statuses, what it means, and PayPal's codes with that meaning, parted by blanks. A (operation, status,
/// code) that is not here is unknown.
type Rule = (Operation, &'static [u16], Verdict, &'static str);

/// Codes that mean the same on every operation. An answer without details is known by its name.
const EVERYWHERE: &[(u16, &str)] = &[
    (400, "INVALID_REQUEST MALFORMED_REQUEST_JSON"),
    (401, "AUTHENTICATION_FAILURE INVALID_ACCOUNT_STATUS invalid_token"),
    (403, "NOT_AUTHORIZED PERMISSION_DENIED"),
    (404, "RESOURCE_NOT_FOUND INVALID_RESOURCE_ID"),
];

const RULES: &[Rule] = &[
    (
        CreateOrder,
        &[400],
        No,
        "INVALID_ARRAY_MAX_ITEMS INVALID_ARRAY_MIN_ITEMS INVALID_COUNTRY_CODE INVALID_PARAMETER_SYNTAX \
         INVALID_STRING_LENGTH INVALID_PARAMETER_VALUE MISSING_REQUIRED_PARAMETER NOT_SUPPORTED \
         PAYPAL_REQUEST_ID_REQUIRED",
    ),
    (
        CreateOrder,
        &[422],
        No,
        "AMOUNT_MISMATCH CANNOT_BE_NEGATIVE CANNOT_BE_ZERO_OR_NEGATIVE CARD_EXPIRED MISSING_PREVIOUS_REFERENCE \
         MISSING_CRYPTOGRAM CITY_REQUIRED DECIMAL_PRECISION DONATION_ITEMS_NOT_SUPPORTED DUPLICATE_REFERENCE_ID \
         INVALID_CURRENCY_CODE INVALID_PAYER_ID ITEM_TOTAL_MISMATCH ITEM_TOTAL_REQUIRED MAX_VALUE_EXCEEDED \
         MISSING_PICKUP_ADDRESS MULTI_CURRENCY_ORDER MULTIPLE_ITEM_CATEGORIES MULTIPLE_SHIPPING_ADDRESS_NOT_SUPPORTED \
         MULTIPLE_SHIPPING_TYPE_NOT_SUPPORTED PAYEE_ACCOUNT_INVALID PAYEE_ACCOUNT_LOCKED_OR_CLOSED \
         PAYEE_ACCOUNT_RESTRICTED PAYEE_PRICING_TIER_ID_NOT_ENABLED INVALID_PAYEE_PRICING_TIER_ID \
         PAYEE_FX_RATE_ID_EXPIRED PAYEE_FX_RATE_ID_CURRENCY_MISMATCH INVALID_FX_RATE_ID PLATFORM_FEES_NOT_SUPPORTED \
         INVALID_PLATFORM_FEES_ACCOUNT INVALID_PLATFORM_FEES_AMOUNT POSTAL_CODE_REQUIRED REFERENCE_ID_REQUIRED \
         SHIPPING_OPTIONS_NOT_SUPPORTED TAX_TOTAL_MISMATCH TAX_TOTAL_REQUIRED UNSUPPORTED_INTENT \
         UNSUPPORTED_PAYMENT_INSTRUCTION SHIPPING_TYPE_NOT_SUPPORTED_FOR_CLIENT UNSUPPORTED_SHIPPING_TYPE \
         SHIPPING_OPTION_NOT_SELECTED MULTIPLE_SHIPPING_OPTION_SELECTED PREFERRED_SHIPPING_OPTION_AMOUNT_MISMATCH \
         AGREEMENT_ALREADY_CANCELLED BILLING_AGREEMENT_NOT_FOUND COMPLIANCE_VIOLATION DOMESTIC_TRANSACTION_REQUIRED \
         DUPLICATE_INVOICE_ID INSTRUMENT_DECLINED MAX_NUMBER_OF_PAYMENT_ATTEMPTS_EXCEEDED \
         NOT_ENABLED_FOR_CARD_PROCESSING PAYEE_BLOCKED_TRANSACTION PAYER_ACCOUNT_LOCKED_OR_CLOSED \
         PAYER_ACCOUNT_RESTRICTED PAYER_CANNOT_PAY TRANSACTION_BLOCKED_BY_PAYEE TRANSACTION_LIMIT_EXCEEDED \
         TRANSACTION_RECEIVING_LIMIT_EXCEEDED TRANSACTION_REFUSED AUTH_CAPTURE_NOT_ENABLED \
         UNSUPPORTED_PROCESSING_INSTRUCTION ORDER_COMPLETE_ON_PAYMENT_APPROVAL INVALID_EXPIRY_DATE \
         INCOMPATIBLE_PARAMETER_VALUE INVALID_PREVIOUS_TRANSACTION_REFERENCE \
         PREVIOUS_TRANSACTION_REFERENCE_HAS_CHARGEBACK PREVIOUS_TRANSACTION_REFERENCE_VOIDED PAYMENT_SOURCE_MISMATCH \
         MERCHANT_INITIATED_WITH_SECURITY_CODE MERCHANT_INITIATED_WITH_AUTHENTICATION_RESULTS \
         MERCHANT_INITIATED_WITH_MULTIPLE_PURCHASE_UNITS PAYMENT_SOURCE_INFO_CANNOT_BE_VERIFIED \
         PAYMENT_SOURCE_DECLINED_BY_PROCESSOR PAYMENT_SOURCE_CANNOT_BE_USED NOT_ENABLED_FOR_APPLE_PAY \
         NOT_ENABLED_FOR_GOOGLE_PAY APPLE_PAY_AMOUNT_MISMATCH BILLING_ADDRESS_INVALID SHIPPING_ADDRESS_INVALID \
         VAULT_INSTRUCTION_DUPLICATED VAULT_INSTRUCTION_REQUIRED MISMATCHED_VAULT_ID_TO_PAYMENT_SOURCE \
         CRYPTOGRAM_REQUIRED EMV_DATA_REQUIRED NOT_ELIGIBLE_FOR_PNREF_PROCESSING \
         NOT_ELIGIBLE_FOR_PAYPAL_TRANSACTION_ID_PROCESSING PAYPAL_TRANSACTION_ID_NOT_FOUND PNREF_NOT_FOUND \
         INVALID_SECURITY_CODE_LENGTH NOT_ENABLED_TO_VAULT_PAYMENT_SOURCE \
         REQUIRED_PARAMETER_FOR_CUSTOMER_INITIATED_PAYMENT TOKEN_EXPIRED INVALID_GOOGLE_PAY_TOKEN \
         GOOGLE_PAY_GATEWAY_MERCHANT_ID_MISMATCH ONE_OF_PARAMETERS_REQUIRED ALIAS_DECLINED_BY_PROCESSOR \
         BLIK_ONE_CLICK_MISSING_REQUIRED_PARAMETER",
    ),
    (
        Capture,
        &[400],
        No,
        "INVALID_PARAMETER_VALUE MISSING_REQUIRED_PARAMETER INVALID_STRING_LENGTH INVALID_PARAMETER_SYNTAX",
    ),
    (Capture, &[403], No, "CONSENT_NEEDED NOT_ELIGIBLE_FOR_TOKEN_PROCESSING PERMISSION_DENIED_FOR_DONATION_ITEMS"),
    (
        Capture,
        &[422],
        No,
        "AGREEMENT_ALREADY_CANCELLED BILLING_AGREEMENT_NOT_FOUND DECLINED_DUE_TO_RELATED_TXN \
         MISSING_PREVIOUS_REFERENCE MISSING_CRYPTOGRAM CARD_BRAND_NOT_SUPPORTED COMPLIANCE_VIOLATION \
         DOMESTIC_TRANSACTION_REQUIRED INSTRUMENT_DECLINED ORDER_NOT_APPROVED \
         MAX_NUMBER_OF_PAYMENT_ATTEMPTS_EXCEEDED PAYEE_BLOCKED_TRANSACTION PAYEE_FX_RATE_ID_EXPIRED \
         PAYER_ACCOUNT_LOCKED_OR_CLOSED PAYER_ACCOUNT_RESTRICTED PAYER_CANNOT_PAY PAYPAL_TRANSACTION_ID_EXPIRED \
         PNREF_EXPIRED REFERENCED_CARD_EXPIRED TOKEN_ID_NOT_FOUND TRANSACTION_LIMIT_EXCEEDED \
         TRANSACTION_RECEIVING_LIMIT_EXCEEDED TRANSACTION_REFUSED REDIRECT_PAYER_FOR_ALTERNATE_FUNDING \
         TRANSACTION_BLOCKED_BY_PAYEE AUTH_CAPTURE_NOT_ENABLED NOT_ENABLED_FOR_BANK_PROCESSING \
         NOT_ENABLED_FOR_CARD_PROCESSING PAYEE_NOT_ENABLED_FOR_BANK_PROCESSING PAYEE_NOT_ENABLED_FOR_CARD_PROCESSING \
         INVALID_PICKUP_ADDRESS SHIPPING_ADDRESS_INVALID PAYMENT_SOURCE_NOT_SUPPORTED BILLING_AGREEMENT_ID_MISMATCH \
         PREFERRED_PAYMENT_SOURCE_MISMATCH INCOMPATIBLE_PARAMETER_VALUE INVALID_PREVIOUS_TRANSACTION_REFERENCE \
         PREVIOUS_TRANSACTION_REFERENCE_HAS_CHARGEBACK PREVIOUS_TRANSACTION_REFERENCE_VOIDED PAYMENT_SOURCE_MISMATCH \
         MERCHANT_INITIATED_WITH_SECURITY_CODE MERCHANT_INITIATED_WITH_AUTHENTICATION_RESULTS \
         MERCHANT_INITIATED_WITH_MULTIPLE_PURCHASE_UNITS RETURN_URL_REQUIRED CANCEL_URL_REQUIRED \
         SETUP_ERROR_FOR_BANK BANK_NOT_SUPPORTED_FOR_VERIFICATION PAYER_ACTION_REQUIRED APPLE_PAY_AMOUNT_MISMATCH \
         CURRENCY_NOT_SUPPORTED_FOR_BANK ONLY_ONE_BANK_SOURCE_ALLOWED INVALID_IBAN IBAN_COUNTRY_NOT_SUPPORTED \
         CARD_NUMBER_REQUIRED CARD_EXPIRY_REQUIRED VAULT_INSTRUCTION_REQUIRED \
         MISMATCHED_VAULT_ID_TO_PAYMENT_SOURCE NOT_ELIGIBLE_FOR_PNREF_PROCESSING \
         NOT_ELIGIBLE_FOR_PAYPAL_TRANSACTION_ID_PROCESSING PAYPAL_TRANSACTION_ID_NOT_FOUND PNREF_NOT_FOUND \
         INVALID_SECURITY_CODE_LENGTH PLATFORM_FEE_PAYEE_CANNOT_BE_SAME_AS_PAYER \
         REQUIRED_PARAMETER_FOR_CUSTOMER_INITIATED_PAYMENT IDENTIFIER_NOT_FOUND PAYEE_ACCOUNT_RESTRICTED \
         PAYEE_ACCOUNT_LOCKED_OR_CLOSED",
    ),
    (Capture, &[422], Look, "ORDER_ALREADY_CAPTURED ORDER_COMPLETION_IN_PROGRESS DUPLICATE_INVOICE_ID"),
    (Capture, &[409], Look, "PREVIOUS_REQUEST_IN_PROGRESS"),
    // Payouts name the error, and the specification lists few statuses: the name decides under any of these.
    (
        Pay,
        &[400, 403, 422],
        No,
        "VALIDATION_ERROR AUTHORIZATION_ERROR SENDER_RESTRICTED SENDER_EMAIL_UNCONFIRMED SENDER_LOCKED \
         REQUIRED_SCOPE_MISSING SENDER_ACCOUNT_UNVERIFIED INSUFFICIENT_FUNDS",
    ),
    // A name so generic that it also carries the duplicate batch, which is told apart before this table is asked.
    (Pay, &[400], No, "USER_BUSINESS_ERROR"),
    (CancelItem, &[400], No, "ITEM_INCORRECT_STATUS ITEM_ALREADY_CANCELLED ITEM_CANCELLATION_FAILED"),
    (
        Track,
        &[400],
        No,
        "MISSING_REQUIRED_PARAMETER INVALID_STRING_LENGTH INVALID_PARAMETER_VALUE INVALID_PARAMETER_SYNTAX",
    ),
    (Track, &[422], No, "CAPTURE_STATUS_NOT_VALID ITEM_SKU_MISMATCH CAPTURE_ID_NOT_FOUND MSP_NOT_SUPPORTED"),
    (Refund, &[400], No, "MISSING_REQUIRED_PARAMETER INVALID_PARAMETER_SYNTAX INVALID_STRING_LENGTH"),
    (
        Refund,
        &[422],
        No,
        "CANNOT_BE_ZERO_OR_NEGATIVE DECIMAL_PRECISION DECIMALS_NOT_SUPPORTED INVALID_CURRENCY_CODE CURRENCY_MISMATCH \
         CANNOT_BE_NEGATIVE CAPTURE_FULLY_REFUNDED REFUND_CAPTURE_CURRENCY_MISMATCH REFUND_NOT_ALLOWED \
         REFUND_TIME_LIMIT_EXCEEDED REFUND_AMOUNT_EXCEEDED REFUND_AMOUNT_TOO_LOW REFUND_FAILED_INSUFFICIENT_FUNDS \
         PARTIAL_REFUND_NOT_ALLOWED MAX_NUMBER_OF_REFUNDS_EXCEEDED PENDING_CAPTURE PAYEE_ACCOUNT_LOCKED_OR_CLOSED \
         PAYER_ACCOUNT_LOCKED_OR_CLOSED PAYEE_ACCOUNT_RESTRICTED REFUND_NOT_PERMITTED_DUE_TO_CHARGEBACK \
         TRANSACTION_DISPUTED PLATFORM_FEE_EXCEEDED REFUND_IS_RESTRICTED PLATFORM_FEE_NOT_ENABLED",
    ),
    (Refund, &[422], Look, "DUPLICATE_INVOICE_ID"),
    (Refund, &[409], Look, "PREVIOUS_REQUEST_IN_PROGRESS"),
];

/// What an error answer says, in either of PayPal's shapes.
pub(super) struct Complaint {
    /// `details[].issue`; where there are none, `name`, or `error` of the OAuth shape. Empty: not PayPal's shape.
    pub issues: Vec<String>,
    name: String,
    reason: String,
    pub debug_id: Option<String>,
}

impl Complaint {
    pub fn read(answer: &Answer) -> Self {
        let body = Node::parse(&answer.body).unwrap_or(Node::Null);
        let debug_id = body.at("debug_id").text().or_else(|| answer.header("paypal-debug-id"));
        let name = body.at("name").text().or_else(|| body.at("error").text()).unwrap_or("");
        let details = body.at("details").items();
        let mut issues: Vec<String> = details.iter().filter_map(|d| d.at("issue").owned()).collect();
        if issues.is_empty() && !name.is_empty() {
            issues.push(name.to_owned());
        }
        let told = details.iter().find_map(|d| d.at("description").text());
        let told = told.or_else(|| body.at("message").text()).or_else(|| body.at("error_description").text());
        let reason = tame(told.unwrap_or("PayPal gave no reason"), 200);
        Self { issues, name: name.to_owned(), reason, debug_id: debug_id.map(|id| tame(id, 60)) }
    }

    /// The code that this operation is judged by. Payouts put theirs into the name.
    fn codes(&self, operation: Operation) -> Vec<&str> {
        match operation {
            Pay | CancelItem => vec![self.name.as_str()],
            _ => self.issues.iter().map(String::as_str).collect(),
        }
    }
}

/// What may be done after an answer that is no success.
pub(super) fn classify(operation: Operation, answer: &Answer) -> CallError {
    let said = Complaint::read(answer);
    let codes = said.codes(operation);
    let code = codes.first().copied().unwrap_or("");
    let told = format!("{} {} {}", answer.status, tame(code, 80), said.reason);
    let debug = said.debug_id.as_deref().map(|id| format!(" (debug id {id})")).unwrap_or_default();
    if answer.status == 429 {
        let pause = answer.header("retry-after").map(|s| format!("; PayPal asks for {} s", tame(s, 40)));
        return CallError::Unsent(format!("{told}{}{debug}", pause.unwrap_or_default()));
    }
    if code.is_empty() || !codes.iter().all(|code| is_no(operation, answer.status, code)) {
        return CallError::Unknown(format!("{told}{debug}"));
    }
    CallError::Refused { code: tame(code, 80), reason: said.reason.clone(), debug_id: said.debug_id.clone() }
}

fn is_no(operation: Operation, status: u16, code: &str) -> bool {
    // Nothing hangs on the answer to a look-up, so any no in PayPal's shape is passed on as one.
    if !operation.needs_proof() {
        return matches!(status, 400 | 401 | 403 | 404 | 422);
    }
    verdict(operation, status, code) == Some(No)
}

fn verdict(operation: Operation, status: u16, code: &str) -> Option<Verdict> {
    let listed = |codes: &str| codes.split_whitespace().any(|c| c == code);
    let rule =
        RULES.iter().find(|(o, statuses, _, codes)| *o == operation && statuses.contains(&status) && listed(codes));
    let everywhere = || EVERYWHERE.iter().any(|(s, codes)| *s == status && listed(codes)).then_some(No);
    rule.map(|(_, _, verdict, _)| *verdict).or_else(everywhere)
}

/// What an error answer to a payout says about a batch that is there already.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BatchComplaint {
    /// The batch id was used before. The id of the first batch, where a link of the answer names it.
    Duplicate(Option<String>),
    /// The generic name without details: it may be the duplicate, so it proves nothing.
    PerhapsDuplicate,
    Other,
}

/// Looks for the duplicate batch before the table is asked, since PayPal hides it behind a generic name. The advice of
/// PayPal's own page for it ("try again with a different id") is how to pay twice.
pub(super) fn batch_complaint(answer: &Answer) -> BatchComplaint {
    let body = Node::parse(&answer.body).unwrap_or(Node::Null);
    if !matches!(answer.status, 400 | 403 | 409 | 422) {
        return BatchComplaint::Other;
    }
    let name = body.at("name").text().unwrap_or("");
    let details = body.at("details").items();
    let about_batch_id = |d: &Node| {
        let field = d.at("field").text().unwrap_or("").to_ascii_lowercase();
        let issue = d.at("issue").text().unwrap_or("").to_ascii_lowercase();
        field.ends_with("sender_batch_id") && (name == "USER_BUSINESS_ERROR" || issue.contains("duplicate"))
    };
    if details.iter().any(about_batch_id) {
        let inner = details.iter().flat_map(|d| d.at("link").items().iter().chain(d.at("links").items()));
        let links = body.at("links").items().iter().chain(inner);
        return BatchComplaint::Duplicate(links.filter_map(|l| batch_id_of(l.at("href").text()?)).next());
    }
    match name {
        "USER_BUSINESS_ERROR" if details.is_empty() => BatchComplaint::PerhapsDuplicate,
        _ => BatchComplaint::Other,
    }
}

/// The batch id in the path of a link. The link itself is never followed: its host may be anybody's, and our token
/// would go there.
fn batch_id_of(href: &str) -> Option<String> {
    let (_, rest) = href.split_once("/v1/payments/payouts/")?;
    let id = rest.split(['?', '#', '/']).next()?;
    crate::gateway::is_plain_id(id).then(|| id.to_owned())
}

#[cfg(test)]
mod tests;
