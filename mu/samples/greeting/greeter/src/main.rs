//! Greets whoever the path names: `GET /greet/Ada?greeting=Good%20day` answers `Good day, Ada!`.

mod protocol;

use protocol::{Level, Request, Response};
use std::io::{self, Write};

fn main() -> io::Result<()> {
    let (mut input, mut output) = (io::stdin().lock(), io::BufWriter::new(io::stdout().lock()));
    let answer = protocol::read_call(&mut input).and_then(|call| match call.function.as_str() {
        "greet_user" => greet_user(&call.request, &mut output),
        unknown => Err(io::Error::other(format!("there is no function named {unknown}"))),
    });
    match answer {
        Ok(response) => protocol::write_result(&mut output, &response)?,
        Err(error) => protocol::write_fatal_error(&mut output, &error.to_string())?,
    }
    output.flush()
}

fn greet_user(request: &Request, output: &mut impl Write) -> io::Result<Response> {
    let name = request.path_params.get("name").ok_or_else(|| io::Error::other("the path has no name"))?;
    let greeting = request.query_params.get("greeting").map_or("Hello", String::as_str);
    protocol::write_log(output, &format!("greeting {name}"), Level::Info)?;
    Ok(Response {
        status: 200,
        headers: vec![("content-type", "text/plain; charset=utf-8")],
        body: format!("{greeting}, {name}!\n").into_bytes(),
    })
}
