//! The report as Markdown, from the same value that is stored as JSON. Text of others cannot break out of its line.

use super::{Report, Step};
use std::fmt::Write;

pub fn markdown(report: &Report) -> String {
    let mut text = format!("# {}\n\n", report.title);
    for (name, value) in [
        ("generated", &report.generated.to_string()),
        ("project", &report.project),
        ("environment", &report.environment),
        ("service", &report.service),
        ("build", &report.build),
    ] {
        let _ = writeln!(text, "- {name}: {}", line(value));
    }
    text.push_str("\n## Summary\n\n");
    let summary = &report.summary;
    for (name, value) in [
        ("MIGRATION_APPLIED", Some(&summary.migration_applied)),
        ("INTEGRITY_SCORE", Some(&summary.integrity_score)),
        ("REAL_ORDER_CREATED", Some(&summary.real_order_created)),
        ("REAL_PURCHASE_EXECUTED", Some(&summary.real_purchase_executed)),
        ("REAL_SALE_CREATED", Some(&summary.real_sale_created)),
        ("PAYOUT_EXECUTED", Some(&summary.payout_executed)),
        ("DATABASE_FLAG_CONFIRMED", Some(&summary.database_flag_confirmed)),
        ("SYSTEM_READY_FOR_REAL_CUSTOMER_TEST", Some(&summary.system_ready_for_real_customer_test)),
        ("REHEARSAL_PASSED", summary.rehearsal_passed.as_ref()),
    ] {
        if let Some(value) = value {
            let _ = writeln!(text, "- {name}: {}", line(value));
        }
    }
    text.push_str("\n## Phase Results\n");
    for phase in &report.phases {
        let _ = writeln!(text, "\n### Phase {} — {}: {}\n", phase.number, phase.name, phase.status.word());
        for row in &phase.rows {
            let _ = writeln!(text, "- {} {}: {}", row.status.word(), row.id, line(&row.value));
            if let Some(warning) = &row.warning {
                let _ = writeln!(text, "  - warning: {}", line(warning));
            }
        }
    }
    steps(&mut text, "Blockers", &report.blockers);
    steps(&mut text, "Next Steps", &report.next_steps);
    text
}

fn steps(text: &mut String, title: &str, steps: &[Step]) {
    let _ = writeln!(text, "\n## {title}\n");
    if steps.is_empty() {
        text.push_str("- none\n");
    }
    for (step, number) in steps.iter().zip(1..) {
        let _ = writeln!(text, "{number}. {}\n   `{}`", line(&step.what), line(&step.command));
    }
}

fn line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
