// Package varint reads the variable-length integers of encoding/binary from texts.
package varint

import "encoding/binary"

// Cut takes a number that binary.AppendUvarint wrote off the front of s. ok is false
// when there is none, or one of more than 64 bits.
func Cut(s string) (n uint64, rest string, ok bool) {
	for i := 0; i < len(s) && i < binary.MaxVarintLen64; i++ {
		b := s[i]
		if i == binary.MaxVarintLen64-1 && b > 1 {
			break
		}
		n |= uint64(b&0x7f) << (7 * i)
		if b < 0x80 {
			return n, s[i+1:], true
		}
	}
	return 0, s, false
}

// CutText takes a text off the front of s that stands behind its length.
func CutText(s string) (text, rest string, ok bool) {
	n, rest, ok := Cut(s)
	if !ok || n > uint64(len(rest)) {
		return "", s, false
	}
	return rest[:n], rest[n:], true
}

// AppendText appends the length of a text and the text.
func AppendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}
