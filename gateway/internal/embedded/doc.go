// Package embedded starts private servers from the programs that are installed:
// PostgreSQL and Redis (or Valkey), each in a folder of its own that only its
// user may enter, dying with the process that started it.
package embedded
