// Package embedded starts servers for one gateway from installed programs: PostgreSQL,
// and Redis or Valkey. Each has a folder of its own that only its user may enter. It is
// for a first look and for tests; on Linux a server ends with the process that started it.
package embedded
