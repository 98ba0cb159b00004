//! What usage costs, exactly: products of 64-bit numbers are summed in 128 bits and rounded down once.

use crate::errors::Error;
use crate::numbers::U64;
use crate::state::terms::{Prices, Usage};

/// 10^9 bytes for 30 days, in units of 10^12 byte-seconds.
const GIGABYTE_MONTH_TERA_BYTE_SECONDS: u32 = 2_592;

/// The greatest number of 32 bits.
const HALF: u64 = 0xffff_ffff;

const THOUSAND: u32 = 1_000;
const MILLION: u32 = 1_000_000;

/// The product of two numbers, of which the target can only multiply halves.
#[inline(never)]
fn wide_product(left: u64, right: u64) -> u128 {
    let (left_high, left_low) = (left >> 32, left & HALF);
    let (right_high, right_low) = (right >> 32, right & HALF);
    // None can wrap: (2^32 - 1)^2 + 2 (2^32 - 1) = 2^64 - 1.
    let low = left_low.wrapping_mul(right_low);
    let middle = left_high.wrapping_mul(right_low).wrapping_add(low >> 32);
    let cross = left_low.wrapping_mul(right_high).wrapping_add(middle & HALF);
    let high = left_high.wrapping_mul(right_high).wrapping_add(middle >> 32).wrapping_add(cross >> 32);
    (u128::from(high) << 64) | u128::from((cross << 32) | (low & HALF))
}

#[inline(always)]
fn product(left: u64, right: u64) -> u128 {
    if left <= HALF && right <= HALF {
        left.wrapping_mul(right).into()
    } else {
        wide_product(left, right)
    }
}

/// The quotient, rounded down, by long division with digits of 32 bits.
#[inline(never)]
fn wide_quotient(dividend: u128, divisor: u32) -> u128 {
    let divisor = u64::from(divisor);
    let (high, low) = ((dividend >> 64) as u64, dividend as u64);
    let mut digits = [high >> 32, high & HALF, low >> 32, low & HALF];
    let mut remainder = 0;
    for digit in &mut digits {
        let part = (remainder << 32) | *digit;
        *digit = part / divisor;
        remainder = part % divisor;
    }
    let [first, second, third, fourth] = digits;
    (u128::from((first << 32) | second) << 64) | u128::from((third << 32) | fourth)
}

#[inline(always)]
fn quotient(dividend: u128, divisor: u32) -> u128 {
    if dividend >> 64 == 0 {
        (dividend as u64 / u64::from(divisor)).into()
    } else {
        wide_quotient(dividend, divisor)
    }
}

/// Adds the costs of `parts`, each a usage and its price, to `sum`. Raises `CostTooLarge`.
#[inline(always)]
fn add<const N: usize>(mut sum: u128, parts: [(U64, U64); N]) -> Result<u128, Error> {
    for (used, price) in parts {
        sum = sum.checked_add(product(used.get(), price.get())).ok_or(Error::CostTooLarge)?;
    }
    Ok(sum)
}

/// The cost of `usage` in base units of the mint, rounded down. Raises `CostTooLarge` from 2^64.
///
/// Prices are of 2592 * 10^12, 10^12, 10^9 and 10^6 units of usage, each a multiple of the next, so the sum is
/// folded from the largest down: floor((a + x) / n) = floor((a + floor(x)) / n) for whole a and n, which loses
/// nothing that the last rounding would not.
pub fn cost(usage: &Usage, prices: &Prices) -> Result<u64, Error> {
    let byte_seconds = add(
        0,
        [
            (usage.database_byte_seconds, prices.database_gigabyte_month),
            (usage.storage_byte_seconds, prices.storage_gigabyte_month),
        ],
    )?;
    let trillions = add(
        quotient(byte_seconds, GIGABYTE_MONTH_TERA_BYTE_SECONDS),
        [(usage.megabyte_instructions, prices.tera_megabyte_instruction)],
    )?;
    let billions = add(
        quotient(trillions, THOUSAND),
        [
            (usage.storage_bytes_read, prices.storage_gigabyte_read),
            (usage.storage_bytes_written, prices.storage_gigabyte_written),
            (usage.gateway_bytes, prices.gateway_gigabyte),
        ],
    )?;
    let millions = add(
        quotient(billions, THOUSAND),
        [
            (usage.database_reads, prices.database_million_reads),
            (usage.database_writes, prices.database_million_writes),
            (usage.gateway_requests, prices.gateway_million_requests),
        ],
    )?;
    u64::try_from(quotient(millions, MILLION)).map_err(|_| Error::CostTooLarge)
}

/// The part of `amount` that is `millionths` of it (at most 10^6), rounded down.
pub fn share(amount: u64, millionths: u32) -> u64 {
    quotient(product(amount, u64::from(millionths)), MILLION) as u64
}
