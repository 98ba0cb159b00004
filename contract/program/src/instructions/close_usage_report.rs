//! `close_usage_report()` by [payer: signer, writable] [state] [region: writable] [usage report: writable], which is
//! closed: its rent goes back to who paid it. The stack still knows how far it is reported.

use pinocchio::{AccountView, Address, ProgramResult};

use super::{close, require_payer};
use crate::clock::now;
use crate::encoding::Reader;
use crate::errors::Error;
use crate::events::{emit, USAGE_REPORT_CLOSED};
use crate::state::marketplace::State;
use crate::state::region::Region;
use crate::state::usage_report::UsageReport;
use crate::state::{read, require_changeable, write};

pub const DISCRIMINATOR: &[u8; 8] = &0xb45c8d8e8a7f84ec_u64.to_be_bytes();

#[inline(never)]
pub fn process(program: &Address, accounts: &mut [AccountView], arguments: &mut Reader) -> ProgramResult {
    arguments.finish()?;
    let [payer, state, region, usage_report] = accounts else {
        return Err(Error::AccountCountInvalid.into());
    };
    require_payer(payer)?;
    let notice_seconds = read::<State>(state, program)?.notice_seconds.get();
    let scope = *region.address();
    let mut region = write::<Region>(region, program)?;
    require_changeable::<UsageReport>(usage_report, program)?;
    let (stack, first_position, last_position) = {
        let report = read::<UsageReport>(usage_report, program)?;
        if report.region != scope {
            return Err(Error::RegionMismatch.into());
        }
        if &report.payer != payer.address() {
            return Err(Error::NotTheOwner.into());
        }
        if now()? < report.reported_at.get().saturating_add(notice_seconds.into()) {
            return Err(Error::NoticeNotOver.into());
        }
        (report.stack, report.first_position, report.last_position)
    };

    close(usage_report, payer)?;
    emit(&scope, &mut region.chain, USAGE_REPORT_CLOSED, |event| {
        event.address(&stack).u64(first_position.get()).u64(last_position.get()).address(payer.address());
    })?;
    Ok(())
}
