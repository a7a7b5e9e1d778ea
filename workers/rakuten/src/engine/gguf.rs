//! A look at a model file before llama.cpp sees it.
//!
//! Reads the GGUF header only and must never trust a length in it: each is checked against what
//! is left of the file, so that a cut or foreign file is an error with a reason and not a crash
//! in C++. It knows the format, nothing of engines.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use super::error::EngineError;

/// Of which kind most weights are, as `llama_ftype` of llama.h numbers them.
pub(super) const FILE_TYPE: &str = "general.file_type";

/// Format versions that llama.cpp reads.
const VERSIONS: std::ops::RangeInclusive<u32> = 2..=3;
/// Most entries of a header; real files have tens of keys and hundreds of tensors.
const ENTRIES_MAX: u64 = 65_536;
/// Longest string kept from a header, bytes; a chat template is the longest real one.
const STRING_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// ggml knows tensors of at most this many dimensions.
const DIMENSIONS_MAX: u32 = 4;
/// Arrays may be nested this deep; real ones are flat.
const NESTING_MAX: u32 = 2;
/// Alignment of tensor data where the file does not say, bytes.
const ALIGNMENT_DEFAULT: u64 = 32;

/// A single value of the header. Arrays are counted, not kept.
#[derive(Debug, Clone, PartialEq)]
enum Value {
    Unsigned(u64),
    Bool(bool),
    Text(String),
    Array(u64),
    Other,
}

/// What the header says.
#[derive(Debug)]
pub(super) struct Header {
    values: HashMap<String, Value>,
    /// Tensors described by the file.
    pub(super) tensors: u64,
}

impl Header {
    /// Reads and checks the header of `path`.
    ///
    /// # Errors
    /// [`EngineError::ModelFileUnreadable`] and [`EngineError::ModelFileInvalid`].
    pub(super) fn read(path: &Path) -> Result<Self, EngineError> {
        let unreadable = |error: std::io::Error| EngineError::ModelFileUnreadable {
            path: path.to_path_buf(),
            reason: error.to_string(),
        };
        let file = File::open(path).map_err(unreadable)?;
        let metadata = file.metadata().map_err(unreadable)?;
        let invalid =
            |reason: String| EngineError::ModelFileInvalid { path: path.to_path_buf(), reason };
        if !metadata.is_file() {
            return Err(invalid("it is not a regular file".into()));
        }
        let mut reader = Reader { file: BufReader::new(file), left: metadata.len() };
        reader.header(metadata.len()).map_err(invalid)
    }

    /// A text value, if the file has it.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        match self.values.get(key)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A whole number that is not negative, if the file has it.
    pub(super) fn number(&self, key: &str) -> Option<u64> {
        match self.values.get(key)? {
            Value::Unsigned(number) => Some(*number),
            _ => None,
        }
    }

    /// A yes or no, if the file has it.
    pub(super) fn flag(&self, key: &str) -> Option<bool> {
        match self.values.get(key)? {
            Value::Bool(flag) => Some(*flag),
            _ => None,
        }
    }

    /// The number of elements of an array, if the file has it.
    pub(super) fn array_len(&self, key: &str) -> Option<u64> {
        match self.values.get(key)? {
            Value::Array(len) => Some(*len),
            _ => None,
        }
    }
}

struct Reader {
    file: BufReader<File>,
    /// Bytes of the file that were not read yet.
    left: u64,
}

type Outcome<T> = Result<T, String>;

impl Reader {
    fn header(&mut self, file_bytes: u64) -> Outcome<Header> {
        if &self.bytes::<4>()? != b"GGUF" {
            return Err("it does not begin with GGUF".into());
        }
        let version = self.u32()?;
        if !VERSIONS.contains(&version) {
            return Err(format!("GGUF version {version} is not 2 or 3"));
        }
        let tensors = self.count("tensors")?;
        let keys = self.count("keys")?;
        let mut values = HashMap::new();
        for _ in 0..keys {
            let key = self.string()?;
            let kind = self.u32()?;
            let value = self.value(kind, 0)?;
            values.insert(key, value);
        }
        let header = Header { values, tensors };
        let last_offset = self.tensor_infos(tensors)?;
        let alignment = match header.number("general.alignment") {
            None => ALIGNMENT_DEFAULT,
            Some(alignment) if alignment.is_power_of_two() => alignment,
            Some(alignment) => return Err(format!("alignment {alignment} is no power of two")),
        };
        let data_start = (file_bytes - self.left).next_multiple_of(alignment);
        match data_start.checked_add(last_offset) {
            Some(last) if tensors == 0 || last < file_bytes => Ok(header),
            _ => Err(format!("it is cut off: {file_bytes} bytes are too few for its tensors")),
        }
    }

    /// Walks the tensor descriptions and returns the largest data offset.
    fn tensor_infos(&mut self, tensors: u64) -> Outcome<u64> {
        let mut last_offset = 0;
        for _ in 0..tensors {
            self.string()?;
            let dimensions = self.u32()?;
            if dimensions > DIMENSIONS_MAX {
                return Err(format!("a tensor has {dimensions} dimensions"));
            }
            self.skip(u64::from(dimensions) * 8)?;
            self.u32()?;
            last_offset = last_offset.max(self.u64()?);
        }
        Ok(last_offset)
    }

    fn value(&mut self, kind: u32, depth: u32) -> Outcome<Value> {
        Ok(match kind {
            0 => Value::Unsigned(u64::from(self.bytes::<1>()?[0])),
            2 => Value::Unsigned(u64::from(u16::from_le_bytes(self.bytes()?))),
            4 => Value::Unsigned(u64::from(self.u32()?)),
            5 => u64::try_from(i32::from_le_bytes(self.bytes()?))
                .map_or(Value::Other, Value::Unsigned),
            7 => Value::Bool(self.bytes::<1>()?[0] != 0),
            8 => Value::Text(self.string()?),
            9 => Value::Array(self.array(depth)?),
            10 => Value::Unsigned(self.u64()?),
            _ => {
                self.skip(fixed_bytes(kind)?)?;
                Value::Other
            }
        })
    }

    fn array(&mut self, depth: u32) -> Outcome<u64> {
        let kind = self.u32()?;
        let len = self.u64()?;
        if len > self.left {
            return Err(format!("an array of {len} elements does not fit into the file"));
        }
        match kind {
            8 => (0..len).try_for_each(|_| self.string_length().and_then(|len| self.skip(len)))?,
            9 if depth < NESTING_MAX => {
                (0..len).try_for_each(|_| self.array(depth + 1).map(drop))?;
            }
            _ => self.skip(fixed_bytes(kind)?.saturating_mul(len))?,
        }
        Ok(len)
    }

    fn count(&mut self, what: &str) -> Outcome<u64> {
        let count = self.u64()?;
        if count > ENTRIES_MAX {
            return Err(format!("a header with {count} {what} is not believable"));
        }
        Ok(count)
    }

    fn string_length(&mut self) -> Outcome<u64> {
        let length = self.u64()?;
        if length > self.left {
            return Err(format!("a text of {length} bytes does not fit into the file"));
        }
        Ok(length)
    }

    fn string(&mut self) -> Outcome<String> {
        let length = self.string_length()?;
        if length > STRING_BYTES_MAX {
            return Err(format!("a text of {length} bytes in the header is not believable"));
        }
        let mut bytes = vec![0; usize::try_from(length).map_err(|error| error.to_string())?];
        self.fill(&mut bytes)?;
        String::from_utf8(bytes).map_err(|_| "a text in the header is not UTF-8".into())
    }

    fn u32(&mut self) -> Outcome<u32> {
        Ok(u32::from_le_bytes(self.bytes()?))
    }

    fn u64(&mut self) -> Outcome<u64> {
        Ok(u64::from_le_bytes(self.bytes()?))
    }

    fn bytes<const N: usize>(&mut self) -> Outcome<[u8; N]> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Outcome<()> {
        self.take(bytes.len() as u64)?;
        self.file.read_exact(bytes).map_err(|error| error.to_string())
    }

    fn skip(&mut self, bytes: u64) -> Outcome<()> {
        self.take(bytes)?;
        let distance = i64::try_from(bytes).map_err(|error| error.to_string())?;
        self.file.seek_relative(distance).map_err(|error| error.to_string())
    }

    /// Counts bytes off what is left, before they are read.
    fn take(&mut self, bytes: u64) -> Outcome<()> {
        self.left = self
            .left
            .checked_sub(bytes)
            .ok_or_else(|| "it is cut off in the middle of its header".to_owned())?;
        Ok(())
    }
}

/// Bytes of a value of fixed size.
fn fixed_bytes(kind: u32) -> Outcome<u64> {
    match kind {
        0 | 1 | 7 => Ok(1),
        2 | 3 => Ok(2),
        4..=6 => Ok(4),
        10..=12 => Ok(8),
        _ => Err(format!("the header has a value of unknown type {kind}")),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn text(bytes: &mut Vec<u8>, text: &str) {
        bytes.extend((text.len() as u64).to_le_bytes());
        bytes.extend(text.as_bytes());
    }

    /// A header with one text key, one array of texts and one tensor of `data` bytes.
    fn sample(data: usize) -> Vec<u8> {
        let mut bytes = b"GGUF".to_vec();
        bytes.extend(3_u32.to_le_bytes());
        bytes.extend(1_u64.to_le_bytes());
        bytes.extend(2_u64.to_le_bytes());
        text(&mut bytes, "general.architecture");
        bytes.extend(8_u32.to_le_bytes());
        text(&mut bytes, "llama");
        text(&mut bytes, "tokens");
        bytes.extend(9_u32.to_le_bytes());
        bytes.extend(8_u32.to_le_bytes());
        bytes.extend(2_u64.to_le_bytes());
        text(&mut bytes, "a");
        text(&mut bytes, "楽");
        text(&mut bytes, "weight");
        bytes.extend(1_u32.to_le_bytes());
        bytes.extend(4_u64.to_le_bytes());
        bytes.extend(0_u32.to_le_bytes());
        bytes.extend(0_u64.to_le_bytes());
        bytes.resize(bytes.len().next_multiple_of(32) + data, 0);
        bytes
    }

    fn read(bytes: &[u8]) -> Result<Header, EngineError> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        Header::read(file.path())
    }

    #[test]
    fn a_good_header_is_read() {
        let header = read(&sample(16)).unwrap();
        assert_eq!(header.text("general.architecture"), Some("llama"));
        assert_eq!(header.array_len("tokens"), Some(2));
        assert_eq!(header.tensors, 1);
    }

    #[test]
    fn every_cut_is_an_error() {
        let whole = sample(1);
        for length in 0..whole.len() {
            assert!(read(&whole[..length]).is_err(), "cut at {length}");
        }
    }

    #[test]
    fn a_foreign_file_is_named_as_such() {
        let error = read(b"PK\x03\x04 something else").unwrap_err().to_string();
        assert!(error.contains("does not begin with GGUF"), "{error}");
    }

    #[test]
    fn absurd_lengths_are_refused_before_memory_is_taken() {
        let whole = sample(1);
        for position in 4..whole.len() - 32 {
            let mut bytes = whole.clone();
            bytes[position] = 0xff;
            // No length fits into the file then, and one whose last byte this is can't be had of
            // any memory: asking for it would end the test. Other bytes may still make sense.
            let read = read(&bytes);
            let is_length = lengths(&whole).iter().any(|at| (*at..at + 8).contains(&position));
            assert!(read.is_err() || !is_length, "{position}: {read:?}");
        }
    }

    /// Where the lengths in `sample` stand: tensors, keys, the array's, and that of each text.
    fn lengths(whole: &[u8]) -> Vec<usize> {
        let find = |text: &[u8]| whole.windows(text.len()).position(|part| part == text).unwrap();
        let of_text = |text: &str| {
            let mut begun = (text.len() as u64).to_le_bytes().to_vec();
            begun.extend(text.as_bytes());
            find(&begun)
        };
        let mut lengths = vec![8, 16, find(b"tokens") + "tokens".len() + 8];
        lengths
            .extend(["general.architecture", "llama", "tokens", "a", "楽", "weight"].map(of_text));
        lengths
    }

    #[test]
    fn a_missing_file_is_unreadable() {
        let error = Header::read(Path::new("no-such-file.gguf")).unwrap_err();
        assert!(matches!(error, EngineError::ModelFileUnreadable { .. }));
    }
}
