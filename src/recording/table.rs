//! The table of a recording: columns to Parquet and back, with the crate that others use as well.

use crate::recording::seal::OPEN;
use crate::recording::{Fault, SAMPLES_MAX};
use crate::wire::record::part_word;
use crate::wire::recording::Columns;
use bytes::Bytes;
use parquet::basic::Compression;
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::reader::{FileReader as _, RowGroupReader, SerializedFileReader};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::ColumnPath;
use std::sync::Arc;

/// The columns, in order. Values stand as they came, NaN with their bits included.
const SCHEMA: &str = "
message haldane_recording {
  REQUIRED INT32 look;
  REQUIRED BINARY metric (STRING);
  REQUIRED BINARY part (STRING);
  REQUIRED BINARY arm (STRING);
  REQUIRED BINARY labels (STRING);
  REQUIRED INT64 timestamp (TIMESTAMP(MILLIS,true));
  OPTIONAL DOUBLE value;
  OPTIONAL BINARY histogram (STRING);
}
";

/// Places of the columns that are read back.
const TIMESTAMP: usize = 5;
const VALUE: usize = 6;
const HISTOGRAM: usize = 7;
const COLUMNS: usize = 8;

/// The key of the header.
const HEADER: &str = "haldane.recording";

/// The key of the verdict's document.
const VERDICT: &str = "haldane.verdict";

/// Bytes all columns may unpack to; a table that claims more is refused before it is unpacked.
/// Eight bytes of time and eight of value for each sample, and as much again for all else.
const UNPACKED_BYTES_MAX: i64 = 1 << 30;

/// What a table holds.
pub(super) struct Parts {
    pub(super) header: String,
    pub(super) verdict: String,
    pub(super) columns: Columns,
}

/// The file, its seal still open.
pub(super) fn write(header: &str, verdict: &str, columns: &Columns) -> Result<Vec<u8>, Fault> {
    let schema = Arc::new(parse_message_type(SCHEMA).map_err(|fault| broken(&fault))?);
    let pair = |key: &str, text: &str| KeyValue::new(key.to_owned(), text.to_owned());
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_offset_index_disabled(true)
        // Values hardly repeat; a dictionary of them would be a second copy.
        .set_column_dictionary_enabled(ColumnPath::from("value"), false)
        .set_created_by(format!("haldane {}", env!("CARGO_PKG_VERSION")))
        .set_key_value_metadata(Some(vec![pair(HEADER, header), pair(VERDICT, verdict)]))
        .build();
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties))
        .map_err(|fault| broken(&fault))?;
    writer
        .write_all(&OPEN)
        .map_err(|fault| Fault::io("write", &fault))?;
    if columns.rows() > 0 {
        let mut group = writer.next_row_group().map_err(|fault| broken(&fault))?;
        write_columns(&mut group, columns).map_err(|fault| broken(&fault))?;
        group.close().map_err(|fault| broken(&fault))?;
    }
    writer.into_inner().map_err(|fault| broken(&fault))
}

type Group<'a> = SerializedRowGroupWriter<'a, Vec<u8>>;

fn write_columns(group: &mut Group<'_>, columns: &Columns) -> Result<(), ParquetError> {
    let bytes = |text: &str| ByteArray::from(text.as_bytes().to_vec());
    // Shared buffers: a column of strings costs one pointer a row.
    let names: Vec<ByteArray> = columns
        .metrics
        .iter()
        .map(|(name, _)| bytes(name))
        .collect();
    let parts: Vec<ByteArray> = columns
        .metrics
        .iter()
        .map(|(_, part)| bytes(part_word(*part)))
        .collect();
    let sets = &columns.label_sets;
    let labels: Vec<ByteArray> = sets.iter().map(|(text, _)| bytes(text)).collect();
    let arms: Vec<ByteArray> = sets.iter().map(|(_, arm)| bytes(arm)).collect();
    let spread = |places: &[usize], of: &[ByteArray]| -> Vec<ByteArray> {
        let one = |place: &usize| of.get(*place).cloned().unwrap_or_default();
        places.iter().map(one).collect()
    };
    column::<Int32Type>(group, &columns.look, None)?;
    column::<ByteArrayType>(group, &spread(&columns.query, &names), None)?;
    column::<ByteArrayType>(group, &spread(&columns.query, &parts), None)?;
    column::<ByteArrayType>(group, &spread(&columns.labels, &arms), None)?;
    column::<ByteArrayType>(group, &spread(&columns.labels, &labels), None)?;
    column::<Int64Type>(group, &columns.at_ms, None)?;
    let levels = |there: Vec<bool>| there.into_iter().map(i16::from).collect::<Vec<i16>>();
    let values: Vec<f64> = columns.value.iter().flatten().copied().collect();
    let there = levels(columns.value.iter().map(Option::is_some).collect());
    column::<DoubleType>(group, &values, Some(&there))?;
    let texts: Vec<ByteArray> = columns
        .histogram
        .iter()
        .flatten()
        .map(|t| bytes(t))
        .collect();
    let there = levels(columns.histogram.iter().map(Option::is_some).collect());
    column::<ByteArrayType>(group, &texts, Some(&there))
}

/// Writes the next column; `there` is 1 for each row that has a value, 0 for the others.
fn column<T: DataType>(
    group: &mut Group<'_>,
    values: &[T::T],
    there: Option<&[i16]>,
) -> Result<(), ParquetError> {
    let Some(mut writer) = group.next_column()? else {
        return Err(ParquetError::General(
            "fewer columns than written".to_owned(),
        ));
    };
    writer.typed::<T>().write_batch(values, there, None)?;
    writer.close()
}

/// Header, verdict and samples of a sealed file.
pub(super) fn read(bytes: Vec<u8>) -> Result<Parts, Fault> {
    let reader = SerializedFileReader::new(Bytes::from(bytes)).map_err(|fault| broken(&fault))?;
    let file = reader.metadata().file_metadata();
    let text = |key: &str| {
        let pairs = file.key_value_metadata()?;
        pairs.iter().find(|pair| pair.key == key)?.value.clone()
    };
    let missing = |key: &str| Fault::damaged(&format!("its table has no {key}"));
    let header = text(HEADER).ok_or_else(|| missing(HEADER))?;
    let verdict = text(VERDICT).ok_or_else(|| missing(VERDICT))?;
    let rows = usize::try_from(file.num_rows()).unwrap_or(usize::MAX);
    if rows > SAMPLES_MAX {
        return Err(Fault::too_large(rows as u64, SAMPLES_MAX as u64, "samples"));
    }
    let groups = reader.metadata().row_groups();
    let unpacked = groups
        .iter()
        .try_fold(0_i64, |sum, group| sum.checked_add(group.total_byte_size()));
    if unpacked.is_none_or(|unpacked| unpacked > UNPACKED_BYTES_MAX) {
        let unpacked = unpacked.unwrap_or(i64::MAX).unsigned_abs();
        let limit = UNPACKED_BYTES_MAX.unsigned_abs();
        return Err(Fault::too_large(unpacked, limit, "unpacked bytes"));
    }
    let mut columns = Columns::default();
    for idx in 0..reader.num_row_groups() {
        let group = reader.get_row_group(idx).map_err(|fault| broken(&fault))?;
        read_columns(&*group, &mut columns).map_err(|fault| broken(&fault))?;
    }
    Ok(Parts {
        header,
        verdict,
        columns,
    })
}

fn read_columns(group: &dyn RowGroupReader, out: &mut Columns) -> Result<(), ParquetError> {
    let other = || ParquetError::General("its columns are not those of a recording".to_owned());
    if group.num_columns() != COLUMNS {
        return Err(other());
    }
    let rows = usize::try_from(group.metadata().num_rows()).unwrap_or(usize::MAX);
    let ColumnReader::Int64ColumnReader(reader) = group.get_column_reader(TIMESTAMP)? else {
        return Err(other());
    };
    let (instants, _) = all(reader, rows)?;
    let ColumnReader::DoubleColumnReader(reader) = group.get_column_reader(VALUE)? else {
        return Err(other());
    };
    let (values, there) = all(reader, rows)?;
    out.at_ms.extend(instants);
    out.value.extend(spread(values, &there));
    if there.iter().all(|level| *level > 0) {
        // A row has a value or a histogram; where all have values nobody need look.
        out.histogram.extend(std::iter::repeat_n(None, there.len()));
        return Ok(());
    }
    let ColumnReader::ByteArrayColumnReader(reader) = group.get_column_reader(HISTOGRAM)? else {
        return Err(other());
    };
    let (texts, there) = all(reader, rows)?;
    let texts: Result<Vec<String>, ParquetError> = texts
        .iter()
        .map(|text| Ok(text.as_utf8()?.to_owned()))
        .collect();
    out.histogram.extend(spread(texts?, &there));
    Ok(())
}

/// All values of a column with which rows have one; the latter is empty where all must.
fn all<T: DataType>(
    mut reader: ColumnReaderImpl<T>,
    rows: usize,
) -> Result<(Vec<T::T>, Vec<i16>), ParquetError> {
    let (mut values, mut there) = (Vec::new(), Vec::new());
    let mut done = 0;
    while done < rows {
        let (read, ..) = reader.read_records(rows - done, Some(&mut there), None, &mut values)?;
        if read == 0 {
            let message = format!("a column ends after {done} of {rows} rows");
            return Err(ParquetError::General(message));
        }
        done += read;
    }
    Ok((values, there))
}

/// Values at their rows.
fn spread<T>(values: Vec<T>, there: &[i16]) -> Vec<Option<T>> {
    let mut values = values.into_iter();
    there
        .iter()
        .map(|level| (*level > 0).then(|| values.next()).flatten())
        .collect()
}

fn broken(fault: &ParquetError) -> Fault {
    Fault::damaged(&format!("its table cannot be used ({fault})"))
}
