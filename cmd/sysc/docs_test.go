package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDocumentedCommands: what the documentation tells users to type is a command,
// with flags and arguments that it takes.
func TestDocumentedCommands(t *testing.T) {
	files, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	commands := 0
	for _, name := range append(files, "../../README.md") {
		if strings.HasPrefix(filepath.Base(name), "formats") {
			continue // bytes, not commands
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			line, _, _ = strings.Cut(strings.TrimSpace(line), " #")
			fields := strings.Fields(line)
			if len(fields) < 2 || fields[0] != "sysc" || fields[1] == "{" { // which is a block of a definition
				continue
			}
			commands++
			root := newApp(io.Discard, io.Discard, os.Getenv).command()
			root.InitDefaultCompletionCmd() // as when it runs
			cmd, rest, err := root.Find(fields[1:])
			if err == nil {
				err = cmd.ParseFlags(rest)
			}
			if err == nil {
				err = cmd.ValidateArgs(cmd.Flags().Args())
			}
			if err != nil {
				t.Errorf("%s: %s: %v", filepath.Base(name), line, err)
			}
		}
	}
	if commands < 10 {
		t.Errorf("found %d commands", commands)
	}
}
