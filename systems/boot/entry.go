// Package boot writes what a boot loader reads: kernels and initrds under names
// made of their contents, and a boot loader entry for each generation, in the
// form that systemd-boot and others share (the UAPI group's Boot Loader
// Specification, type 1).
//
// [Entry.Render] and [Parse] are pure; a [Partition] puts files in place, each
// written aside, synced and renamed, which holds on FAT too. It never names an
// entry as the default: a loader that is told one does not count its tries, and
// so boots a broken one for ever. What boots is decided by the order of the
// entries alone ([SelectedKey]).
package boot

import (
	"bytes"
	"fmt"
	"path"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Sort keys of entries. A loader shows and boots the entry with the lowest sort
// key first, and of equal keys the highest version. Between these two stand those
// that were selected before, the last first: what a machine comes back to is what it ran
// before, which need not be the newest.
const (
	SelectedKey = "sysc-0" // of the generation that is to boot
	OtherKey    = "sysc-9" // of all that were not selected lately
)

// sortKey is the key of the entry at a place in the order, from 0. Loaders compare
// digits in keys as numbers, so there is one of them.
func sortKey(place int) string {
	const last = 9
	return "sysc-" + strconv.Itoa(min(place, last))
}

// maxEntry bounds an entry file, in bytes.
const maxEntry = 64 << 10

// An Entry is a boot loader entry of type 1.
type Entry struct {
	Title   string
	Version string
	SortKey string
	// Linux and Initrd are absolute paths on the boot partition. Initrd may be
	// empty.
	Linux  string
	Initrd string
	// Options is the kernel's command line.
	Options string
}

// Check reports what is wrong with e: a loader that ignores a line boots
// something else than what was meant.
func (e *Entry) Check() error {
	for _, f := range e.fields() {
		if f.value != strings.TrimSpace(f.value) {
			return fmt.Errorf("boot entry: %s %q begins or ends with a space", f.key, f.value)
		}
		if !utf8.ValidString(f.value) || strings.ContainsFunc(f.value, unicode.IsControl) {
			return fmt.Errorf("boot entry: %s %q holds a control character", f.key, f.value)
		}
		if f.value == "" && f.required {
			return fmt.Errorf("boot entry: no %s", f.key)
		}
		if f.path && f.value != "" && (!strings.HasPrefix(f.value, "/") || path.Clean(f.value) != f.value || strings.ContainsAny(f.value, " \\")) {
			return fmt.Errorf("boot entry: %s %q is not an absolute path", f.key, f.value)
		}
	}
	return nil
}

// A field is a line of an entry.
type field struct {
	key, value string
	required   bool
	path       bool
}

func (e *Entry) fields() []field {
	return []field{
		{key: "title", value: e.Title, required: true},
		{key: "version", value: e.Version, required: true},
		{key: "sort-key", value: e.SortKey, required: true},
		{key: "linux", value: e.Linux, required: true, path: true},
		{key: "initrd", value: e.Initrd, path: true},
		{key: "options", value: e.Options},
	}
}

// Render returns the text of e, which must pass [Entry.Check].
func (e *Entry) Render() []byte {
	var b bytes.Buffer
	for _, f := range e.fields() {
		if f.value != "" {
			fmt.Fprintf(&b, "%-8s %s\n", f.key, f.value)
		}
	}
	return b.Bytes()
}

// Parse reads an entry. Keys that are not known are ignored, as loaders do; of a
// key that stands twice the last counts, except that options are joined.
func Parse(data []byte) (*Entry, error) {
	if len(data) > maxEntry {
		return nil, fmt.Errorf("parse boot entry: %d bytes, at most %d", len(data), maxEntry)
	}
	e := &Entry{}
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, value := line, ""
		if at := strings.IndexAny(line, " \t"); at >= 0 {
			key, value = line[:at], strings.TrimSpace(line[at:])
		}
		switch key {
		case "title":
			e.Title = value
		case "version":
			e.Version = value
		case "sort-key":
			e.SortKey = value
		case "linux":
			e.Linux = value
		case "initrd":
			e.Initrd = value
		case "options":
			e.Options = strings.TrimSpace(e.Options + " " + value)
		}
	}
	if err := e.Check(); err != nil {
		return nil, fmt.Errorf("parse boot entry: %v", err)
	}
	return e, nil
}

const (
	entryPrefix = "sysc-"
	entrySuffix = ".conf"
)

// Tries is how a loader counts the boots of an entry that nobody has called good yet:
// in its file's name, "+LEFT-DONE" before the suffix (Automatic Boot Assessment, see
// systemd-bless-boot.service(8)). The zero Tries is an entry that is not counted: a good
// one.
type Tries struct {
	Counted bool
	// Left is how often the loader still boots it before others; at 0 it comes last.
	Left, Done int
}

// NewTries returns the counter of a new entry that is to be tried n times; 0 is none.
func NewTries(n int) Tries { return Tries{Counted: n > 0, Left: n} }

// Exhausted reports whether a loader has given up on the entry.
func (t Tries) Exhausted() bool { return t.Counted && t.Left == 0 }

func (t Tries) suffix() string {
	switch {
	case !t.Counted:
		return ""
	case t.Done == 0:
		return "+" + strconv.Itoa(t.Left)
	}
	return "+" + strconv.Itoa(t.Left) + "-" + strconv.Itoa(t.Done)
}

// FileName returns the name of a generation's entry file, without a counter: what
// loaders call the entry.
func FileName(generation int) string { return countedName(generation, Tries{}) }

func countedName(generation int, t Tries) string {
	return entryPrefix + strconv.Itoa(generation) + t.suffix() + entrySuffix
}

// ParseFileName returns the generation whose entry file has this name, and its
// counter.
func ParseFileName(name string) (generation int, tries Tries, ok bool) {
	name, ok = strings.CutPrefix(name, entryPrefix)
	if !ok {
		return 0, Tries{}, false
	}
	if name, ok = strings.CutSuffix(name, entrySuffix); !ok {
		return 0, Tries{}, false
	}
	number, counter, counted := strings.Cut(name, "+")
	if counted {
		if tries, ok = parseTries(counter); !ok {
			return 0, Tries{}, false
		}
	}
	if generation, ok = parseNumber(number); !ok || number[0] == '0' {
		return 0, Tries{}, false
	}
	return generation, tries, true
}

// parseTries reads "LEFT" or "LEFT-DONE".
func parseTries(s string) (t Tries, ok bool) {
	t.Counted = true
	left, done, tried := strings.Cut(s, "-")
	if t.Left, ok = parseNumber(left); ok && tried {
		t.Done, ok = parseNumber(done)
	}
	return t, ok
}

func parseNumber(s string) (int, bool) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.Atoi(s)
	return n, err == nil
}
