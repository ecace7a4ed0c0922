package grub

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// environmentSize is that of an environment block, which GRUB cannot change.
const environmentSize = 1024

// environmentHead is its first line.
const environmentHead = "# GRUB Environment Block\n"

// Names in an environment block.
const (
	goodName  = "sysc_good"
	nextName  = "sysc_next"
	triesName = "sysc_tries"
)

// MaxTries is how many tries the menu can count.
const MaxTries = 9

// An Environment says which generation GRUB starts.
type Environment struct {
	// Good is the entry of the generation that is started when nothing is tried.
	Good string
	// Next is the entry of one that is tried first, as often as Tries says; "" is none.
	Next  string
	Tries int
}

// Encode returns the environment as the file that GRUB reads, and writes in place.
func (e *Environment) Encode() ([]byte, error) {
	if e.Good == "" || e.Tries < 0 || e.Tries > MaxTries {
		return nil, fmt.Errorf("encode GRUB's environment: good entry %q, %d tries of at most %d", e.Good, e.Tries, MaxTries)
	}
	b := bytes.NewBufferString(environmentHead)
	values := map[string]string{goodName: e.Good, nextName: e.Next, triesName: fmt.Sprint(e.Tries)}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if strings.Trim(values[name], "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return nil, fmt.Errorf("encode GRUB's environment: %q is no name of an entry", values[name])
		}
		fmt.Fprintf(b, "%s=%s\n", name, values[name])
	}
	if b.Len() > environmentSize {
		return nil, fmt.Errorf("encode GRUB's environment: %d bytes, at most %d", b.Len(), environmentSize)
	}
	b.WriteString(strings.Repeat("#", environmentSize-b.Len()))
	return b.Bytes(), nil
}

// ParseEnvironment reads what [Environment.Encode] wrote and GRUB changed.
func ParseEnvironment(data []byte) (*Environment, error) {
	rest, ok := bytes.CutPrefix(data, []byte(environmentHead))
	if !ok || len(data) != environmentSize {
		return nil, fmt.Errorf("parse GRUB's environment: not a block of %d bytes", environmentSize)
	}
	e := &Environment{}
	for line := range strings.Lines(string(rest)) {
		if strings.HasPrefix(line, "#") {
			break
		}
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		switch name {
		case goodName:
			e.Good = value
		case nextName:
			e.Next = value
		case triesName:
			if len(value) != 1 || value[0] < '0' || value[0] > '0'+MaxTries {
				return nil, fmt.Errorf("parse GRUB's environment: %q tries", value)
			}
			e.Tries = int(value[0] - '0')
		}
	}
	if _, err := e.Encode(); err != nil {
		return nil, fmt.Errorf("parse GRUB's environment: %w", err)
	}
	return e, nil
}
