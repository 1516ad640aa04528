package pgjson

func appendBool(dst, text []byte) ([]byte, bool) {
	switch string(text) {
	case "t":
		return append(dst, "true"...), true
	case "f":
		return append(dst, "false"...), true
	}
	return dst, false
}

// appendNumber appends a number as it is, and any other text as a string: NaN and Infinity.
func appendNumber(dst, text []byte) []byte {
	if isNumber(text) {
		return append(dst, text...)
	}
	return AppendString(dst, text)
}

// isNumber reports whether s is a number of JSON.
func isNumber(s []byte) bool {
	i := 0
	if i < len(s) && s[i] == '-' {
		i++
	}
	start := i
	if i = skipDigits(s, i); i == start || s[start] == '0' && i > start+1 {
		return false
	}
	if i < len(s) && s[i] == '.' {
		start = i + 1
		if i = skipDigits(s, start); i == start {
			return false
		}
	}
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		i++
		if i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		start = i
		if i = skipDigits(s, start); i == start {
			return false
		}
	}
	return i == len(s)
}

// skipDigits returns the index of the first byte from i on that is no digit.
func skipDigits(s []byte, i int) int {
	for i < len(s) && s[i] >= '0' && s[i] <= '9' {
		i++
	}
	return i
}

// appendTimestamp appends 2024-07-01 12:00:00.5+00 BC as "2024-07-01T12:00:00.5+00:00 BC". It reports whether the text
// is a timestamp of the date style ISO, with a zone or without.
func appendTimestamp(dst, text []byte, withZone bool) ([]byte, bool) {
	if s := string(text); s == "infinity" || s == "-infinity" {
		return append(append(append(dst, '"'), text...), '"'), true
	}
	date := 0
	for date < len(text) && (text[date] >= '0' && text[date] <= '9' || text[date] == '-') {
		date++
	}
	if date == 0 || date == len(text) || text[date] != ' ' {
		return dst, false
	}
	clock := skipClock(text, date+1)
	zone := clock
	if clock < len(text) && (text[clock] == '+' || text[clock] == '-') {
		zone = skipClock(text, clock+1)
	}
	era := text[zone:]
	if clock == date+1 || withZone && zone < clock+3 || !withZone && zone > clock || len(era) > 0 && string(era) != " BC" {
		return dst, false
	}
	dst = append(append(dst, '"'), text[:date]...)
	dst = append(append(dst, 'T'), text[date+1:zone]...)
	if zone == clock+3 {
		dst = append(dst, ":00"...)
	}
	return append(append(dst, era...), '"'), true
}

// skipClock returns the index of the first byte from i on that is no digit, colon or point.
func skipClock(s []byte, i int) int {
	for i < len(s) && (s[i] >= '0' && s[i] <= ':' || s[i] == '.') {
		i++
	}
	return i
}
