//! Statistics: pure functions over slices of finite numbers.
