//go:build vm

package main

import (
	"bytes"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// pairDefinition has a system that answers what it is sent on port 7.
const pairDefinition = `
input "debian" {
  type   = "debian"
  suites = ["trixie"]
}
system "pair" {
  packages = [
    "systemd-sysv", "dbus", "iproute2", "linux-image-cloud-amd64", "systemd-boot-efi", "udev",
  ]
  unit "echo.socket" {
    wanted_by = ["sockets.target"]
    content   = "[Socket]\nListenStream=7\nAccept=yes\n"
  }
  unit "echo@.service" {
    content = "[Service]\nExecStart=/bin/cat\nStandardInput=socket\n"
  }
  unit "broken.service" {
    content = "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo no luck today; exit 3'\n"
  }
}
`

// pairTests are of two machines, and of what goes wrong.
const pairTests = `
test "machines hear each other" {
  machine "client" {}
  machine "server" {}
  step "the server listens" {
    machine       = "server"
    wait_for_port = 7
  }
  step "the client is answered" {
    machine = "client"
    succeed = <<-EOT
      exec bash -c 'exec 3<>/dev/tcp/server/7; echo anybody >&3; read -r answer <&3; test "$answer" = anybody'
    EOT
  }
  step "nothing else is there" {
    machine = "client"
    fail    = "ip route get 192.168.2.1"
  }
  step "the client comes up again" {
    machine = "client"
    reboot  = true
    succeed = "bash -c ': >/dev/tcp/server/7'"
  }
  step "a unit can be started" {
    machine = "server"
    fail    = "systemctl start broken"
  }
  step "a unit that fails is not waited for" {
    machine       = "server"
    wait_for_unit = ["echo.socket", "broken.service"]
  }
}
`

// TestVMTests: the tests of a definition run in virtual machines, and what they show is
// kept where one fails.
func TestVMTests(t *testing.T) {
	t.Run("passes", func(t *testing.T) {
		d := newVMDefinition(t, "minimal")
		d.sysc(t, "test", "--accelerator", "tcg")
	})
	t.Run("fails", failingVMTest)
}

func failingVMTest(t *testing.T) {
	dir := t.TempDir()
	t.Cleanup(func() { makeRemovable(dir) })
	d := &vmDefinition{dir: dir, store: filepath.Join(dir, "store")}
	logs := filepath.Join(dir, "logs")
	for name, text := range map[string]string{"pair.sysc.hcl": pairDefinition, "pair.test.sysc.hcl": pairTests} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	d.sysc(t, "lock")
	cmd := exec.CommandContext(t.Context(), builtSysc, "test", "--accelerator", "tcg", "--logs", logs, "-C", d.dir, "--store", d.store)
	out, err := cmd.CombinedOutput()
	text := string(out)
	if err == nil || cmd.ProcessState.ExitCode() != exitError {
		t.Errorf("sysc test: %v", err)
	}
	t.Logf("sysc test:\n%s", text)
	for _, want := range []string{
		`step "the client comes up again", `,
		`Step "a unit that fails is not waited for" failed`,
		`["echo.socket", "broken.service"]`,
		"On machine \"server\" broken.service failed.",
		"no luck today",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("it does not say %s", want)
		}
	}
	kept := filepath.Join(logs, "machines-hear-each-other")
	for _, machine := range []string{"client", "server"} {
		for suffix, want := range map[string]string{".log": "Linux version", ".journal": "Started sysc-test.service"} {
			if found, err := os.ReadFile(filepath.Join(kept, machine+suffix)); err != nil || !strings.Contains(string(found), want) {
				t.Errorf("%s%s does not have %q: %v", machine, suffix, want, err)
			}
		}
		screen, err := os.ReadFile(filepath.Join(kept, machine+".png"))
		if err != nil {
			t.Error(err)
			continue
		}
		if _, err := png.Decode(bytes.NewReader(screen)); err != nil {
			t.Errorf("screen of %s: %v", machine, err)
		}
	}
	if left, err := filepath.Glob(filepath.Join(kept, "machine-*")); err != nil || len(left) > 0 {
		t.Errorf("disks that are left: %q, %v", left, err)
	}
}
