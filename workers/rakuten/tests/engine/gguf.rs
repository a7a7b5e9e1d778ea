//! Model files made here: the format, with random weights.

use std::path::Path;

/// Writes the parts of a GGUF file.
#[derive(Default)]
pub(crate) struct Writer {
    keys: u64,
    header: Vec<u8>,
    infos: Vec<u8>,
    tensors: u64,
    data: Vec<u8>,
    random: u64,
}

impl Writer {
    pub(crate) fn text_into(bytes: &mut Vec<u8>, text: &str) {
        bytes.extend((text.len() as u64).to_le_bytes());
        bytes.extend(text.as_bytes());
    }

    pub(crate) fn key(&mut self, key: &str, kind: u32, value: &[u8]) {
        self.keys += 1;
        Self::text_into(&mut self.header, key);
        self.header.extend(kind.to_le_bytes());
        self.header.extend(value);
    }

    pub(crate) fn text(&mut self, key: &str, text: &str) {
        let mut value = Vec::new();
        Self::text_into(&mut value, text);
        self.key(key, 8, &value);
    }

    pub(crate) fn number(&mut self, key: &str, number: u32) {
        self.key(key, 4, &number.to_le_bytes());
    }

    pub(crate) fn array(&mut self, key: &str, kind: u32, len: usize, values: &[u8]) {
        let mut value = kind.to_le_bytes().to_vec();
        value.extend((len as u64).to_le_bytes());
        value.extend(values);
        self.key(key, 9, &value);
    }

    /// A tensor of single precision: ones for a norm, else small random numbers.
    pub(crate) fn tensor(&mut self, name: &str, shape: &[u32]) {
        self.tensors += 1;
        Self::text_into(&mut self.infos, name);
        self.infos.extend(u32::try_from(shape.len()).unwrap().to_le_bytes());
        for side in shape {
            self.infos.extend(u64::from(*side).to_le_bytes());
        }
        self.infos.extend(0_u32.to_le_bytes());
        self.infos.extend((self.data.len() as u64).to_le_bytes());
        for _ in 0..shape.iter().product::<u32>() {
            self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let share = f32::from(u16::try_from(self.random >> 48).unwrap()) / 65_536.0 - 0.5;
            let weight = if shape.len() == 1 { 1.0 } else { share };
            self.data.extend(weight.to_le_bytes());
        }
        self.data.resize(self.data.len().next_multiple_of(32), 0);
    }

    pub(crate) fn write(self, file: &Path) {
        let mut bytes = b"GGUF".to_vec();
        bytes.extend(3_u32.to_le_bytes());
        bytes.extend(self.tensors.to_le_bytes());
        bytes.extend(self.keys.to_le_bytes());
        bytes.extend(self.header);
        bytes.extend(self.infos);
        bytes.resize(bytes.len().next_multiple_of(32), 0);
        bytes.extend(self.data);
        std::fs::write(file, bytes).unwrap();
    }
}
