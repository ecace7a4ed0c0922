package gitfetch

import (
	"bytes"
	"errors"
	"strings"
	"sync"
	"unicode"

	"sysc/internal/lazyregexp"
)

// maxMessage bounds what is kept of git's messages, in bytes.
const maxMessage = 8 << 10

// noise is what git writes that says nothing about a failure.
var noise = lazyregexp.New(`^hint:|[0-9]% \(|^remote: (Total|Enumerating objects|Counting objects|Compressing objects)\b`)

var errFull = errors.New("too much")

// A bounded buffer calls full when more is written than it takes.
type bounded struct {
	bytes.Buffer
	limit int
	full  func()
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > b.limit {
		b.full()
		return 0, errFull
	}
	return b.Buffer.Write(p)
}

// A tail keeps the end of what is written to it. It is safe for concurrent use.
type tail struct {
	mu    sync.Mutex
	text  []byte
	total int64
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.total += int64(len(p))
	t.text = append(t.text, p...)
	if over := len(t.text) - maxMessage; over > 0 {
		t.text = append(t.text[:0], t.text[over:]...)
	}
	return len(p), nil
}

func (t *tail) count() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.total
}

// last returns the last messages in one line: no progress, and nothing that
// could drive a terminal, because servers write here too.
func (t *tail) last() string {
	const most = 4
	t.mu.Lock()
	defer t.mu.Unlock()
	var lines []string
	for line := range strings.FieldsFuncSeq(string(t.text), func(r rune) bool { return r == '\n' || r == '\r' }) {
		line = strings.TrimSpace(strings.Map(func(r rune) rune {
			if !unicode.IsPrint(r) {
				return -1
			}
			return r
		}, line))
		if line != "" && !noise().MatchString(line) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines[max(0, len(lines)-most):], "; ")
}
