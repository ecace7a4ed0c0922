package funcs

import (
	"errors"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"sysc/internal/readlog"
)

// onDisk returns the name under which a file stands below a root. Strings of a
// definition are in Unicode's form C, and names of files are the bytes that
// somebody gave them: where there is none of exactly that name, it is the one that
// is the same in form C.
func onDisk(root *readlog.Root, name string) (string, error) {
	if isASCII(name) || has(root, name) {
		return name, nil
	}
	at := ""
	for part := range strings.SplitSeq(name, "/") {
		next := path.Join(at, part)
		if isASCII(part) || has(root, next) {
			at = next
			continue
		}
		entries, err := root.ReadDir(path.Join(".", at))
		if err != nil {
			return name, nil // whoever opens it is told
		}
		found := ""
		for _, e := range entries {
			if norm.NFC.String(e.Name()) != part {
				continue
			}
			if found != "" {
				return "", errors.New("there are several files of this name, which differ in how their characters are composed")
			}
			found = e.Name()
		}
		if found == "" {
			return name, nil
		}
		at = path.Join(at, found)
	}
	return at, nil
}

func has(root *readlog.Root, name string) bool {
	_, err := root.Lstat(name)
	return !errors.Is(err, fs.ErrNotExist)
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// normalJSON returns a JSON text in form C, what is written as escapes included.
// Keys of objects have to be that to become attributes.
func normalJSON(s string) string {
	if !strings.Contains(s, `\u`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			i++
			continue
		}
		r, n := escapedRune(s[i:])
		if n == 0 || r < utf8.RuneSelf {
			b.WriteString(s[i : i+2])
			i += 2
			continue
		}
		b.WriteRune(r)
		i += n
	}
	return norm.NFC.String(b.String())
}

// escapedRune decodes \uXXXX, or two of them that make one character; n is 0 for
// anything else.
func escapedRune(s string) (r rune, n int) {
	unit := func(s string) rune {
		if len(s) < 6 || s[:2] != `\u` {
			return -1
		}
		v, err := strconv.ParseUint(s[2:6], 16, 16)
		if err != nil {
			return -1
		}
		return rune(v)
	}
	high := unit(s)
	switch {
	case high < 0:
		return 0, 0
	case !utf16.IsSurrogate(high):
		return high, 6
	}
	if both := utf16.DecodeRune(high, unit(s[6:])); both != utf8.RuneError {
		return both, 12
	}
	return 0, 0
}
