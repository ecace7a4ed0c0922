package gitfetch

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A Type is what an entry of a tree is.
type Type int

const (
	File Type = iota
	Executable
	Link
	Dir
	// Submodule is the commit of another repository.
	Submodule
)

// An Entry is one name in a tree.
type Entry struct {
	Name string
	Type Type
	// ID names the object, in hexadecimal.
	ID string
}

// parseTree reads a tree object: for each entry its mode in octal digits, a
// space, its name, NUL, and the name of its object.
func parseTree(raw []byte, idLen int) ([]Entry, error) {
	var entries []Entry
	seen := make(map[string]bool)
	for text := string(raw); text != ""; {
		head, rest, ok := strings.Cut(text, "\x00")
		mode, name, spaced := strings.Cut(head, " ")
		if !ok || !spaced || len(rest) < idLen {
			return nil, fmt.Errorf("not a tree")
		}
		e := Entry{Name: name, ID: hex.EncodeToString([]byte(rest[:idLen]))}
		text = rest[idLen:]
		if err := checkName(name); err != nil {
			return nil, err
		}
		if seen[name] {
			return nil, fmt.Errorf("name %q occurs twice", name)
		}
		seen[name] = true
		var err error
		if e.Type, err = parseMode(mode); err != nil {
			return nil, fmt.Errorf("%q: %w", name, err)
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// parseMode reads a mode as git does: of the permissions only the owner's right
// to execute matters.
func parseMode(text string) (Type, error) {
	const typeBits, executable = 0o170000, 0o100
	mode, err := strconv.ParseUint(text, 8, 32)
	if err != nil {
		return 0, fmt.Errorf("mode %q", text)
	}
	switch mode & typeBits {
	case 0o100000:
		if mode&executable != 0 {
			return Executable, nil
		}
		return File, nil
	case 0o120000:
		return Link, nil
	case 0o040000:
		return Dir, nil
	case 0o160000:
		return Submodule, nil
	}
	return 0, fmt.Errorf("mode %q is of no file, link, directory or submodule", text)
}

// checkName refuses what is no name of a file, and names that lead git into a
// directory of its own: CVE-2014-9390 and what followed.
func checkName(name string) error {
	switch {
	case name == "" || name == "." || name == ".." || strings.Contains(name, "/"):
		return fmt.Errorf("name %q cannot stand in a directory", name)
	case isGit(name):
		return fmt.Errorf("name %q is git's own", name)
	}
	return nil
}

// isGit reports whether any file system may take name for ".git": without regard
// to case, with dots and spaces or a stream behind it, in its short form, or with
// characters in it that are not seen.
func isGit(name string) bool {
	if utf8.ValidString(name) {
		name = strings.Map(func(c rune) rune {
			if 0x200c <= c && c <= 0x200f || 0x202a <= c && c <= 0x202e || 0x206a <= c && c <= 0x206f || c == 0xfeff {
				return -1
			}
			return c
		}, name)
	}
	name, _, _ = strings.Cut(name, ":")
	name = strings.TrimRight(name, ". ")
	return strings.EqualFold(name, ".git") || strings.EqualFold(name, "git~1")
}
