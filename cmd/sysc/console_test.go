package main

import (
	"os"
	"path/filepath"
	"testing"

	"sysc/internal/crashtest"
)

// TestConsole sits at the console as a person does.
func TestConsole(t *testing.T) {
	dir := t.TempDir()
	text := "locals {\n  ports = [80]\n}\nsystem \"box\" {}\n"
	if err := os.WriteFile(filepath.Join(dir, "main.sysc.hcl"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := crashtest.Self(t, asSysc, "console", "-C", dir)
	cmd.Env = append(cmd.Env, "TERM=xterm", "HOME="+dir)
	p := onTerminal(t, 80, cmd)
	p.read(`> $`)
	for _, step := range []struct{ keys, want string }{
		{"local.po\t[0]\r", `local\.ports\[0\]\r+\n80\r+\n.*> $`}, // Tab completes
		{"[1,\r", `\. $`},
		{"2]\r", `\[1, 2\]\r+\n.*> $`},
		{"\x1b[A\x1b[A\r", `\. $`}, // arrows bring back what was typed
		{"3]\r", `\[1, 3\]\r+\n.*> $`},
		{"config.hostnam\t\r", `"box"\r+\n.*> $`},
		{"nope\r", `There is nothing called nope here`},
		{":reload\r", `> $`},
	} {
		if _, err := p.master.WriteString(step.keys); err != nil {
			t.Fatal(err)
		}
		p.read(step.want)
	}
	if _, err := p.master.WriteString("\x04"); err != nil {
		t.Fatal(err)
	}
	if code := p.finish(); code != 0 {
		t.Errorf("the console ended with %d: %q", code, p.written)
	}
}
