package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"sysc/internal/crashtest"
	"sysc/systems/distro/debian/debiantest"
)

// mostSteps is far more than a switch takes. One that takes more steps with each
// generation that is there would never come to an end here.
const mostSteps = 1000

// TestCrashSwitch kills `sysc switch` before each step that changes the disk,
// in the store and on the machine. What stands afterwards is the old generation
// or the new one, the store is sound, and the next switch works.
func TestCrashSwitch(t *testing.T) {
	m := newCrashMachine(t)
	m.sysc("lock")
	m.define(0)
	m.sysc("switch", "--root", m.root)
	edition := 0
	steps := crashtest.Run(t, func() *exec.Cmd {
		edition++
		m.define(edition)
		return m.command("switch", "--root", m.root)
	}, func(n int) {
		got := m.motd()
		if old, new := motd(edition-1), motd(edition); got != old && got != new {
			t.Fatalf("killed before step %d: motd is %q, want %q or %q", n, got, old, new)
		}
		if n > mostSteps {
			t.Fatalf("a switch takes more than %d steps", mostSteps)
		}
		m.sysc("store", "verify")
		m.sysc("switch", "--root", m.root)
		if got, want := m.motd(), motd(edition); got != want {
			t.Fatalf("after a kill before step %d and a whole switch: motd is %q, want %q", n, got, want)
		}
	})
	if steps < 20 {
		t.Errorf("a switch took %d steps: were they seen?", steps)
	}
	m.sysc("store", "verify")
	t.Logf("killed before each of %d steps", steps)
}

// A crashMachine is a definition, a store and a machine in a directory.
type crashMachine struct {
	t         *testing.T
	dir, root string
}

func motd(edition int) string { return fmt.Sprintf("edition %d\n", edition) }

func newCrashMachine(t *testing.T) *crashMachine {
	t.Helper()
	m := &crashMachine{t: t, dir: t.TempDir()}
	m.root = filepath.Join(m.dir, "R")
	t.Cleanup(func() { makeRemovable(m.dir) })
	tools, err := theTools()
	if err != nil {
		t.Fatal(err)
	}
	key, err := theKey("")
	if err != nil {
		t.Fatal(err)
	}
	archive := debiantest.Archive{Suite: "trixie", Architecture: runtime.GOARCH, Date: time.Unix(1_780_000_000, 0),
		Packages: []*debiantest.Package{tools}, Key: key}
	if err := archive.Write(filepath.Join(m.dir, "archive")); err != nil {
		t.Fatal(err)
	}
	m.define(0)
	return m
}

// define writes the definition of an edition.
func (m *crashMachine) define(edition int) {
	m.t.Helper()
	text := fmt.Sprintf(`
input "debian" {
  type     = "debian"
  suites   = ["trixie"]
  security = false
  keyring  = "archive/keyring.asc"
}

system "machine" {
  file "/etc/motd" {
    content = %q
  }
}
`, motd(edition))
	if err := os.WriteFile(filepath.Join(m.dir, "machine.sysc.hcl"), []byte(text), 0o644); err != nil {
		m.t.Fatal(err)
	}
}

func (m *crashMachine) command(args ...string) *exec.Cmd {
	cmd := crashtest.Self(m.t, asSysc, args...)
	cmd.Dir = m.dir
	cmd.Env = append(cmd.Env, "SYSC_STORE="+filepath.Join(m.dir, "store"), "SYSC_DEBIAN_MIRROR=file://"+filepath.Join(m.dir, "archive"))
	return cmd
}

// sysc runs a command that has to work.
func (m *crashMachine) sysc(args ...string) {
	m.t.Helper()
	cmd := m.command(args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		m.t.Fatalf("sysc %s: %v\n%s", strings.Join(args, " "), err, out.Bytes())
	}
}

func (m *crashMachine) motd() string {
	m.t.Helper()
	text, err := os.ReadFile(filepath.Join(m.root, "etc/motd"))
	if err != nil {
		m.t.Fatal(err)
	}
	return string(text)
}
