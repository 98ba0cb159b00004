//! The messages this function exchanges with its host: a little-endian u16 kind, then a Borsh body.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

const EXECUTE_FUNCTION: u16 = 1;
const FATAL_ERROR: u16 = 1;
const FUNCTION_RESULT: u16 = 2;
const LOG: u16 = 3;

pub struct Call {
    pub function: String,
    pub request: Request,
}

/// The part of a request that this function uses; the method, the headers and the body stay unread.
pub struct Request {
    pub path_params: BTreeMap<String, String>,
    pub query_params: BTreeMap<String, String>,
}

pub struct Response {
    pub status: u16,
    pub headers: Vec<(&'static str, &'static str)>,
    pub body: Vec<u8>,
}

/// How much a log line matters, as its index in the protocol: Error, Warn, Info, Debug, Trace.
#[repr(u8)]
pub enum Level {
    Info = 2,
}

pub fn read_call(input: &mut impl Read) -> io::Result<Call> {
    let kind = u16::from_le_bytes(read_array(input)?);
    if kind != EXECUTE_FUNCTION {
        return Err(io::Error::other(format!("the message kind {kind} is unknown")));
    }
    let function = read_string(input)?;
    let [_method] = read_array(input)?;
    Ok(Call { function, request: Request { path_params: read_map(input)?, query_params: read_map(input)? } })
}

pub fn write_result(output: &mut impl Write, response: &Response) -> io::Result<()> {
    output.write_all(&FUNCTION_RESULT.to_le_bytes())?;
    output.write_all(&response.status.to_le_bytes())?;
    output.write_all(&(response.headers.len() as u32).to_le_bytes())?;
    for (name, value) in &response.headers {
        write_bytes(output, name.as_bytes())?;
        write_bytes(output, value.as_bytes())?;
    }
    write_bytes(output, &response.body)
}

pub fn write_fatal_error(output: &mut impl Write, error: &str) -> io::Result<()> {
    output.write_all(&FATAL_ERROR.to_le_bytes())?;
    write_bytes(output, error.as_bytes())
}

pub fn write_log(output: &mut impl Write, body: &str, level: Level) -> io::Result<()> {
    output.write_all(&LOG.to_le_bytes())?;
    write_bytes(output, body.as_bytes())?;
    output.write_all(&[level as u8])
}

fn read_array<const N: usize>(input: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    input.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn read_length(input: &mut impl Read) -> io::Result<u32> {
    read_array(input).map(u32::from_le_bytes)
}

fn read_string(input: &mut impl Read) -> io::Result<String> {
    let length = read_length(input)?;
    let mut bytes = Vec::new();
    if input.take(length.into()).read_to_end(&mut bytes)? < length as usize {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    String::from_utf8(bytes).map_err(io::Error::other)
}

fn read_map(input: &mut impl Read) -> io::Result<BTreeMap<String, String>> {
    (0..read_length(input)?).map(|_| Ok((read_string(input)?, read_string(input)?))).collect()
}

fn write_bytes(output: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    output.write_all(&(bytes.len() as u32).to_le_bytes())?;
    output.write_all(bytes)
}
