;; A guest whose first byte of the payload says what it does, right or wrong.
(module
  (import "gateway" "read" (func $read (param i32 i32 i32) (result i32)))
  (import "gateway" "emit" (func $emit (param i32 i32)))
  (import "gateway" "fail" (func $fail (param i32 i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 2)
  (data (i32.const 0x10000) "no \ff\0a way")
  (global $applied (mut i32) (i32.const 0))
  (func $recurse (param i32) (result i32) (i32.add (call $recurse (local.get 0)) (i32.const 1)))
  (func $is (param $byte i32) (result i32) (i32.eq (i32.load8_u (i32.const 0)) (local.get $byte)))
  (func (export "apply") (param $size i32)
    (global.set $applied (i32.add (global.get $applied) (i32.const 1)))
    (drop (call $read (i32.const 0) (i32.const 0) (i32.const 0x10000)))
    (if (call $is (i32.const 0x65)) (then (call $emit (i32.const 0) (local.get $size))))                  ;; e: emit the payload
    (if (call $is (i32.const 0x32)) (then                                                                 ;; 2: emit two events
      (call $emit (i32.const 0) (i32.const 1)) (call $emit (i32.const 1) (i32.const 1))))
    (if (call $is (i32.const 0x72)) (then                                                                 ;; r: emit the value with the number behind it
      (call $emit (i32.const 0x11000) (call $read
        (i32.sub (i32.load8_u (i32.const 1)) (i32.const 0x30)) (i32.const 0x11000) (i32.const 0xf000)))))
    (if (call $is (i32.const 0x6e)) (then                                                                 ;; n: emit the number of calls
      (i32.store8 (i32.const 0) (i32.add (i32.const 0x30) (global.get $applied)))
      (call $emit (i32.const 0) (i32.const 1)) (return)))
    (if (call $is (i32.const 0x66)) (then                                                                 ;; f: fail
      (call $emit (i32.const 0) (i32.const 1)) (call $fail (i32.const 0x10000) (i32.const 9))))
    (if (call $is (i32.const 0x46)) (then (call $fail (i32.const 0) (i32.const 0x20000))))                ;; F: fail with all of the memory
    (if (call $is (i32.const 0x6c)) (then (loop $for_ever (br $for_ever))))                               ;; l: loop
    (if (call $is (i32.const 0x67)) (then                                                                 ;; g: grow, and trap when that is refused
      (loop $grow (br_if $grow (i32.ge_s (memory.grow (i32.const 1)) (i32.const 0)))) (unreachable)))
    (if (call $is (i32.const 0x71)) (then (call $exit (i32.const 3))))                                    ;; q: exit
    (if (call $is (i32.const 0x74)) (then (unreachable)))                                                 ;; t: trap
    (if (call $is (i32.const 0x64)) (then (drop (i32.div_u (i32.const 1) (i32.const 0)))))                ;; d: divide by zero
    (if (call $is (i32.const 0x73)) (then (drop (call $recurse (i32.const 0)))))                          ;; s: overflow the stack
    (if (call $is (i32.const 0x70)) (then (call $emit (i32.const 0x1ffff) (i32.const 2))))                ;; p: a pointer out of bounds
    (if (call $is (i32.const 0x50)) (then (call $emit (i32.const -1) (i32.const -1))))                    ;; P: the largest one
    (if (call $is (i32.const 0x78)) (then (call $fail (i32.const -1) (i32.const 1))))                     ;; x: a text out of bounds
    (if (call $is (i32.const 0x77)) (then                                                                 ;; w: a place to write out of bounds
      (drop (call $read (i32.const 0) (i32.const 0x1ffff) (i32.const 10)))))
    (if (call $is (i32.const 0x6d)) (then                                                                 ;; m: emit without end
      (loop $more (call $emit (i32.const 0) (i32.const 0)) (br $more))))
    (if (call $is (i32.const 0x62)) (then                                                                 ;; b: emit many bytes
      (loop $more (call $emit (i32.const 0) (i32.const 0x10000)) (br $more))))))
