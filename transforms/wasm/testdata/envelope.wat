;; A guest that puts the payload into an object with the key of the event. It does the same as the one in Go of README.md.
(module
  (import "gateway" "read" (func $read (param i32 i32 i32) (result i32)))
  (import "gateway" "emit" (func $emit (param i32 i32)))
  (memory (export "memory") 2)
  (data (i32.const 0) "{\"key\":\"")
  (data (i32.const 0x1f000) "\",\"event\":")
  (func (export "apply") (param $size i32) (local $at i32)
    (local.set $at (i32.add (i32.const 8) (call $read (i32.const 5) (i32.const 8) (i32.const 1000))))
    (memory.copy (local.get $at) (i32.const 0x1f000) (i32.const 10))
    (local.set $at (i32.add (local.get $at) (i32.const 10)))
    (local.set $at (i32.add (local.get $at) (call $read (i32.const 0) (local.get $at) (i32.const 0x10000))))
    (i32.store8 (local.get $at) (i32.const 0x7d))
    (call $emit (i32.const 0) (i32.add (local.get $at) (i32.const 1)))))
