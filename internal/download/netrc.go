package download

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"syscall"

	"sysc/internal/loopback"
)

// maxNetrc bounds a netrc file, in bytes.
const maxNetrc = 1 << 20

// A Netrc is user names and passwords by host, as the file ~/.netrc has them for
// curl, git and others. It prints as "netrc", whatever the verb.
type Netrc struct {
	machines []machine
}

type machine struct {
	host, login, password string
}

// Format implements fmt.Formatter: a password is in no message.
func (n *Netrc) Format(f fmt.State, _ rune) { io.WriteString(f, "netrc") }

// ReadNetrc reads a netrc file. exposed says that others than its owner can read
// or change it. Errors have no text of the file.
func ReadNetrc(path string) (n *Netrc, exposed bool, err error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a FIFO must not block
	if err != nil {
		return nil, false, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, false, err
	}
	if !info.Mode().IsRegular() {
		return nil, false, fmt.Errorf("read %s: not a regular file", path)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxNetrc+1))
	if err != nil {
		return nil, false, err
	}
	if n, err = ParseNetrc(string(text)); err != nil {
		return nil, false, fmt.Errorf("read %s: %w", path, err)
	}
	return n, info.Mode().Perm()&0o077 != 0, nil
}

// ParseNetrc reads the text of a netrc file: words between white space, which may
// be quoted as curl has it, and lines that begin with "#". Macros, accounts and
// words that are not known are skipped. So is "default", because what belongs to
// every host belongs to none.
func ParseNetrc(text string) (*Netrc, error) {
	if len(text) > maxNetrc {
		return nil, fmt.Errorf("more than %d bytes", maxNetrc)
	}
	words := netrcWords{rest: text, line: 1, fresh: true}
	n := &Netrc{}
	var ignored machine
	current := &ignored
	for {
		word, err := words.next()
		switch {
		case err == io.EOF:
			return n, nil
		case err != nil:
			return nil, err
		}
		var value *string
		switch word {
		case "machine":
			n.machines = append(n.machines, machine{})
			current = &n.machines[len(n.machines)-1]
			value = &current.host
		case "default":
			current = &ignored
		case "login":
			value = &current.login
		case "password":
			value = &current.password
		case "account":
			value = new(string)
		case "macdef":
			words.skipMacro()
		}
		if value == nil {
			continue
		}
		if *value, err = words.next(); err == io.EOF {
			return nil, fmt.Errorf("line %d: nothing follows %q", words.line, word)
		} else if err != nil {
			return nil, err
		}
	}
}

// netrcWords takes a text apart.
type netrcWords struct {
	rest  string
	line  int
	fresh bool // nothing of the line has been read
}

// next returns the next word, or io.EOF.
func (w *netrcWords) next() (string, error) {
	for w.rest != "" {
		switch c := w.rest[0]; {
		case c == '\n':
			w.rest, w.line, w.fresh = w.rest[1:], w.line+1, true
		case isSpace(c):
			w.rest = w.rest[1:]
		case c == '#' && w.fresh:
			w.rest = w.rest[lineEnd(w.rest):]
		case c == '"':
			w.fresh = false
			return w.quoted()
		default:
			w.fresh = false
			end := strings.IndexFunc(w.rest, func(r rune) bool { return r < 0x80 && isSpace(byte(r)) })
			if end < 0 {
				end = len(w.rest)
			}
			word := w.rest[:end]
			w.rest = w.rest[end:]
			return word, nil
		}
	}
	return "", io.EOF
}

// quoted reads a word in double quotes, in which a backslash escapes.
func (w *netrcWords) quoted() (string, error) {
	var word strings.Builder
	for i := 1; i < len(w.rest); i++ {
		c := w.rest[i]
		switch {
		case c == '\n':
			return "", fmt.Errorf("line %d: a quotation mark is missing", w.line)
		case c == '"':
			w.rest = w.rest[i+1:]
			return word.String(), nil
		case c == '\\' && i+1 < len(w.rest) && w.rest[i+1] != '\n':
			i++
			if at := strings.IndexByte("nrt", w.rest[i]); at >= 0 {
				word.WriteByte("\n\r\t"[at])
				continue
			}
			word.WriteByte(w.rest[i])
		default:
			word.WriteByte(c)
		}
	}
	return "", fmt.Errorf("line %d: a quotation mark is missing", w.line)
}

// skipMacro skips to behind the next empty line.
func (w *netrcWords) skipMacro() {
	for w.rest != "" {
		end := lineEnd(w.rest)
		empty := w.fresh && strings.TrimSpace(w.rest[:end]) == ""
		w.rest = w.rest[end:]
		if w.rest != "" {
			w.rest, w.line, w.fresh = w.rest[1:], w.line+1, true
		}
		if empty {
			return
		}
	}
}

// lineEnd returns where the first line of s ends.
func lineEnd(s string) int {
	if end := strings.IndexByte(s, '\n'); end >= 0 {
		return end
	}
	return len(s)
}

func isSpace(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }

// Lookup returns what belongs to a host, which has no port: the first entry with a
// password. A nil Netrc has none.
func (n *Netrc) Lookup(host string) (login, password string, ok bool) {
	if n == nil {
		return "", "", false
	}
	for _, m := range n.machines {
		if m.password != "" && m.host != "" && strings.EqualFold(m.host, host) {
			return m.login, m.password, true
		}
	}
	return "", "", false
}

// authorize gives a request the user name and password of its host. They are for
// any port, as with curl, and go over TLS, or to this machine, and nowhere else.
func (n *Netrc) authorize(req *http.Request) {
	if n == nil || req.URL.User != nil || req.URL.Scheme != "https" && !loopback.IsHost(req.URL.Hostname()) {
		return
	}
	if login, password, ok := n.Lookup(req.URL.Hostname()); ok {
		req.SetBasicAuth(login, password)
	}
}
