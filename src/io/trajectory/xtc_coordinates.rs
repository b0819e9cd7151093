//! Decoding of an XTC frame's compressed coordinates.
//!
//! Coordinates are integers in units of 1 / precision. The three coordinates of a bead form one
//! mixed-radix number, whose number of bits follows from the range of each axis in the frame. A run
//! of beads can follow it; each of these is stored as a small difference from the bead before.
//! Damaged bytes decode to some coordinates or to `None`, without a panic.

/// The ranges of small differences. Three differences of range `SIZES[k]` take `FIRST + k` bits.
#[rustfmt::skip]
const SIZES: [u32; 64] = [
    8, 10, 12, 16, 20, 25, 32, 40, 50, 64, 80, 101, 128, 161, 203, 256, 322, 406, 512, 645, 812,
    1024, 1290, 1625, 2048, 2580, 3250, 4096, 5060, 6501, 8192, 10321, 13003, 16384, 20642, 26007,
    32768, 41285, 52015, 65536, 82570, 104031, 131072, 165140, 208063, 262144, 330280, 416127,
    524287, 660561, 832255, 1048576, 1321122, 1664510, 2097152, 2642245, 3329021, 4194304, 5284491,
    6658042, 8388607, 10568983, 13316085, 16777216,
];
const FIRST: u32 = 9;

/// The number of beads in the longest run.
const LONGEST_RUN: usize = 10;

/// If the range of an axis is larger, the three coordinates are stored as separate numbers.
const LARGEST_RADIX: u32 = 0xff_ffff;

/// The numbers between the header of a frame and the length of its compressed bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Prelude {
    /// Units per nm.
    pub(super) precision: f32,
    /// The smallest coordinate of each axis.
    pub(super) low: [i32; 3],
    /// The largest coordinate of each axis.
    pub(super) high: [i32; 3],
    /// The number of bits of a bead in the first run.
    pub(super) small: u32,
}

/// Appends the coordinates of `n` beads, nm, to no positions; `None` if the bytes are damaged.
pub(super) fn decode(
    prelude: &Prelude,
    bytes: &[u8],
    n: usize,
    positions: &mut Vec<[f32; 3]>,
) -> Option<()> {
    let mut bits = Bits { bytes, at: 0 };
    let mut sizes = [0_u32; 3];
    for ((size, high), low) in sizes.iter_mut().zip(prelude.high).zip(prelude.low) {
        *size = u32::try_from(i64::from(high) - i64::from(low) + 1).ok().filter(|n| *n > 0)?;
    }
    let low = prelude.low.map(i64::from);
    let scale = prelude.precision.recip();
    let mut small = prelude.small;
    let mut size = size_of(small)?;
    let mut run = 0;
    positions.reserve(n + LONGEST_RUN);
    let to_nm = |x: [i64; 3]| x.map(|x| x as f32 * scale);
    while positions.len() < n {
        let first = plus(bits.large(sizes)?, low);
        let mut change = 0;
        if bits.take(1)? == 1 {
            let code = bits.take(5)?;
            (run, change) = (code / 3, code as i32 % 3 - 1);
        }
        let mut last = first;
        for k in 0..run {
            let half = i64::from(size / 2);
            last = plus(bits.triple(small, [size; 3])?, last.map(|x| x - half));
            positions.push(to_nm(last));
            // Writers exchange the first two beads of a run: this makes the differences within a
            // water molecule smaller.
            if k == 0 {
                positions.push(to_nm(first));
            }
        }
        if run == 0 {
            positions.push(to_nm(first));
        }
        small = small.checked_add_signed(change)?;
        size = size_of(small)?;
    }
    positions.truncate(n);
    Some(())
}

fn size_of(small: u32) -> Option<u32> {
    SIZES.get(small.checked_sub(FIRST)? as usize).copied()
}

fn plus(a: [i64; 3], b: [i64; 3]) -> [i64; 3] {
    std::array::from_fn(|c| a[c] + b[c])
}

/// A stream of bits. The highest bit of a byte comes first.
struct Bits<'a> {
    bytes: &'a [u8],
    /// The number of bits read so far.
    at: usize,
}

impl Bits<'_> {
    /// Reads a number of `n` ≤ 32 bits.
    fn take(&mut self, n: u32) -> Option<u32> {
        let end = self.at + n as usize;
        let bytes = self.bytes.get(self.at / 8..end.div_ceil(8))?;
        let word = bytes.iter().fold(0_u64, |word, byte| word << 8 | u64::from(*byte));
        let word = word >> (8 * end.div_ceil(8) - end);
        self.at = end;
        Some((word & ((1 << n) - 1)) as u32)
    }

    /// Reads three numbers below `sizes` from one number of `n` ≤ 72 bits. Its bytes are in
    /// little-endian order.
    fn triple(&mut self, n: u32, sizes: [u32; 3]) -> Option<[i64; 3]> {
        let mut number = 0_u128;
        for first in (0..n).step_by(8) {
            number |= u128::from(self.take(8.min(n - first))?) << first;
        }
        let [_, y, z] = sizes.map(u128::from);
        let digits = [number / z / y, number / z % y, number % z];
        Some(digits.map(|digit| digit as u32 as i64))
    }

    /// Reads three numbers below `sizes`, in the number of bits that `sizes` require.
    fn large(&mut self, sizes: [u32; 3]) -> Option<[i64; 3]> {
        let length = |size: u128| u128::BITS - size.leading_zeros();
        if sizes.iter().any(|size| *size > LARGEST_RADIX) {
            let [x, y, z] = sizes.map(|size| self.take(length(size.into())));
            return Some([x?, y?, z?].map(i64::from));
        }
        self.triple(length(sizes.iter().map(|size| u128::from(*size)).product()), sizes)
    }
}
