//! A checksum, computed in C.
extern "C" {
    fn crc32_of(data: *const u8, length: usize) -> u32;
}

pub fn crc32(data: &[u8]) -> u32 {
    unsafe { crc32_of(data.as_ptr(), data.len()) }
}

#[test]
fn check_value() {
    assert_eq!(crc32(b"123456789"), 0xcbf43926);
}
