package rawjson

import (
	"encoding/binary"
	"math/bits"
)

func skipWord(b []byte, i int, word string) int {
	if end := i + len(word); end <= len(b) && string(b[i:end]) == word {
		return end
	}
	return invalid
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// skipString returns the end of the text whose opening quote is at i, or invalid.
func skipString(b []byte, i int) int {
	for i++; ; {
		if i+8 <= len(b) { // eight bytes at once; see "Hacker's Delight", 6-1
			w := binary.LittleEndian.Uint64(b[i:])
			quote, slash := w^(ones*'"'), w^(ones*'\\')
			found := ((w-ones*' ')&^w | (quote-ones)&^quote | (slash-ones)&^slash) & highs
			if found == 0 {
				i += 8
				continue
			}
			i += bits.TrailingZeros64(found) / 8
		} else {
			for i < len(b) && b[i] != '"' && b[i] != '\\' && b[i] >= ' ' {
				i++
			}
		}
		if uint(i) >= uint(len(b)) {
			return invalid
		}
		if b[i] == '"' {
			return i + 1
		}
		if b[i] < ' ' {
			return invalid
		}
		if i = skipEscape(b, i); i == invalid {
			return invalid
		}
	}
}

func skipEscape(b []byte, i int) int {
	if i+1 >= len(b) {
		return invalid
	}
	switch b[i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 2
	case 'u':
		if i+6 > len(b) {
			return invalid
		}
		for _, c := range b[i+2 : i+6] {
			if !('0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F') {
				return invalid
			}
		}
		return i + 6
	}
	return invalid
}

func skipNumber(b []byte, i int) int {
	if i < len(b) && b[i] == '-' {
		i++
	}
	switch {
	case i >= len(b) || b[i] < '0' || b[i] > '9':
		return invalid
	case b[i] == '0':
		i++
	default:
		i = skipDigits(b, i)
	}
	if i < len(b) && b[i] == '.' {
		if end := skipDigits(b, i+1); end > i+1 {
			i = end
		} else {
			return invalid
		}
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		if end := skipDigits(b, i); end > i {
			i = end
		} else {
			return invalid
		}
	}
	return i
}

func skipDigits(b []byte, i int) int {
	for i < len(b) && '0' <= b[i] && b[i] <= '9' {
		i++
	}
	return i
}
