package systems

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/diff"

	"sysc/store"
)

// What a plan compares line by line: more than this is only said to differ.
const (
	maxDiffBytes = 256 << 10
	maxDiffLines = 4000
)

// text returns the lines of a unified diff of two contents, without file names.
// A zero digest stands for no contents at all. note says why there are none
// although something changed.
func (d *differ) text(old, new store.Digest) (lines []string, note string) {
	if old == new || d.Contents == nil {
		return nil, ""
	}
	before, note := d.shown(old)
	if note != "" {
		return nil, note
	}
	after, note := d.shown(new)
	if note != "" {
		return nil, note
	}
	return unified(before, after), ""
}

// shown returns contents that can be shown.
func (d *differ) shown(digest store.Digest) (data []byte, note string) {
	if digest.IsZero() {
		return nil, ""
	}
	data, ok := d.Contents(digest)
	switch {
	case !ok || len(data) > maxDiffBytes || bytes.Count(data, []byte{'\n'}) > maxDiffLines:
		return nil, "contents not shown"
	case !utf8.Valid(data) || bytes.IndexByte(data, 0) >= 0:
		return nil, "binary contents"
	}
	return data, ""
}

// unified returns the lines of a unified diff below its header.
func unified(old, new []byte) []string {
	out := string(diff.Diff("old", old, "new", new))
	at := strings.Index(out, "\n@@")
	if at < 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(out[at+1:], "\n"), "\n")
}

// TextDiff returns the lines of a unified diff of two contents, found by their
// digests, as [FileChange.Diff] has them. A zero digest stands for no contents at
// all. note says why there are none although something changed.
func TextDiff(old, new store.Digest, contents func(store.Digest) ([]byte, bool)) (lines []string, note string) {
	d := differ{DiffOptions: DiffOptions{Contents: contents}}
	return d.text(old, new)
}
