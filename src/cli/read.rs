//! Reading what the command line names: a file or stdin, never more than it may be long.

use std::io::{self, Read};
use std::path::Path;

/// The bytes of a file, or of stdin for `-`. Beyond `bytes_max` nothing is read, and `way_out` ends
/// the message.
pub(crate) fn bytes(path: &Path, bytes_max: u64, way_out: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let opened: io::Result<Box<dyn Read>> = if path == Path::new("-") {
        Ok(Box::new(io::stdin()))
    } else {
        std::fs::File::open(path).map(|file| Box::new(file) as Box<dyn Read>)
    };
    // One byte more than may be is enough to see that it is too long.
    opened
        .and_then(|reader| {
            reader
                .take(bytes_max.saturating_add(1))
                .read_to_end(&mut bytes)
        })
        .map_err(|fault| fault.to_string())?;
    if bytes.len() as u64 > bytes_max {
        return Err(format!("it has more than {bytes_max} bytes; {way_out}"));
    }
    Ok(bytes)
}

/// The same as text.
pub(crate) fn text(path: &Path, bytes_max: u64, way_out: &str) -> Result<String, String> {
    String::from_utf8(bytes(path, bytes_max, way_out)?).map_err(|fault| {
        let at = fault.utf8_error().valid_up_to();
        format!("it is no UTF-8 text: byte {at} cannot be read")
    })
}
