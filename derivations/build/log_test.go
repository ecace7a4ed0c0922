package build

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sysc/internal/filelock"
	"sysc/store"
)

func TestLog(t *testing.T) {
	path := LogPath(t.TempDir(), store.DerivationHash{0xab})
	if !strings.HasSuffix(filepath.ToSlash(path), "/ab/ab"+strings.Repeat("0", 62)+".zst") {
		t.Errorf("path %s", path)
	}
	var lines []string
	l := newStepLog(path, func(line string) { lines = append(lines, line) })
	l.limit = 100
	var all strings.Builder
	for i := range 100 {
		text := fmt.Sprintf("line %d\n", i)
		all.WriteString(text)
		half := len(text) / 2
		io.WriteString(l, text[:half])
		io.WriteString(l, text[half:])
	}
	io.WriteString(l, "no end\x1b[0m")
	if tail := l.tail(); len(tail) != tailLines || tail[0] != "line 81" || tail[tailLines-1] != "no end\x1b[0m" {
		t.Errorf("tail %q", tail)
	}
	if err := l.close(); err != nil {
		t.Fatal(err)
	}
	if err := l.close(); err != nil || !l.written() {
		t.Errorf("closed again: %v", err)
	}
	if len(lines) != 101 || lines[7] != "line 7" {
		t.Errorf("%d lines", len(lines))
	}
	r, err := OpenLog(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	want := all.String()[:100] + fmt.Sprintf("\n[%d bytes left out]\n", all.Len()+10-100) + strings.Join(l.last, "\n") + "\n"
	if string(got) != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A running step's log can be read, is locked, and takes the place of what a killed
// one left.
func TestRunningLog(t *testing.T) {
	dir, key := t.TempDir(), store.DerivationHash{1}
	path := RunningLogPath(dir, key)
	if err := errors.Join(os.Mkdir(filepath.Dir(path), 0o755), os.WriteFile(path, []byte("left over"), 0o600)); err != nil {
		t.Fatal(err)
	}
	l := newStepLog(LogPath(dir, key), func(string) {})
	io.WriteString(l, "begun")
	l.flush()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if held, err := filelock.Held(f); !held || err != nil {
		t.Errorf("held is %t, %v", held, err)
	}
	r, err := OpenLog(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got, err := io.ReadAll(r); string(got) != "begun" || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("read %q, %v", got, err)
	}
	if err := l.close(); err != nil {
		t.Fatal(err)
	}
	if held, err := filelock.Held(f); held || err != nil {
		t.Errorf("afterwards held is %t, %v", held, err)
	}
	if list, _ := filepath.Glob(filepath.Join(dir, "01", "*")); len(list) != 1 || list[0] != LogPath(dir, key) {
		t.Errorf("left %v", list)
	}
}

func TestLogOfNothing(t *testing.T) {
	dir := t.TempDir()
	l := newStepLog(LogPath(dir, store.DerivationHash{}), func(string) {})
	if err := l.close(); err != nil || l.written() {
		t.Errorf("%v, written is %t", err, l.written())
	}
	if list, _ := filepath.Glob(filepath.Join(dir, "*")); list != nil {
		t.Errorf("left over: %v", list)
	}
}

func TestLongLine(t *testing.T) {
	var lines []string
	w := lineWriter{line: func(line string) { lines = append(lines, line) }}
	io.WriteString(&w, strings.Repeat("x", 2*maxLine+1)+"\n")
	if len(lines) != 3 || len(lines[0]) != maxLine || len(lines[2]) != 1 {
		t.Errorf("%d lines", len(lines))
	}
}
