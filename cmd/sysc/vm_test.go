//go:build vm

package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"sysc/systems/vm"
)

// builtSysc is the program that users get, with what goes into initrds: make build
// makes it.
const builtSysc = "../../bin/sysc"

// bootTimeout is how long a boot may take on a machine that emulates it and does
// other things, too.
const bootTimeout = 20 * time.Minute

// A vmDefinition is a definition that systems are booted from.
type vmDefinition struct{ dir, store string }

// newVMDefinition copies an example, gives it further packages, and locks it.
func newVMDefinition(t *testing.T, example string, packages ...string) *vmDefinition {
	t.Helper()
	if _, err := os.Stat(builtSysc); err != nil {
		t.Fatalf("%v: make build first", err)
	}
	dir := t.TempDir()
	t.Cleanup(func() { makeRemovable(dir) })
	d := &vmDefinition{dir: filepath.Join(dir, example), store: filepath.Join(dir, "store")}
	if err := os.CopyFS(d.dir, os.DirFS("../../examples/"+example)); err != nil {
		t.Fatal(err)
	}
	for _, name := range packages {
		d.replace(t, example+".sysc.hcl", "packages = [", "packages = [\n    \""+name+"\",")
	}
	// A lock that somebody made here is of another day.
	if err := os.RemoveAll(filepath.Join(d.dir, "sysc.lock")); err != nil {
		t.Fatal(err)
	}
	d.sysc(t, "lock")
	return d
}

// replace changes a text in a file of the definition, which has to be there.
func (d *vmDefinition) replace(t *testing.T, file, old, new string) {
	t.Helper()
	path := filepath.Join(d.dir, file)
	text, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(text), old) {
		t.Fatalf("%s has no %q, %v", path, old, err)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(text), old, new, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
}

// sysc runs a command on the definition, which has to work.
func (d *vmDefinition) sysc(t *testing.T, args ...string) {
	t.Helper()
	start := time.Now()
	cmd := exec.CommandContext(t.Context(), builtSysc, append(args, "-C", d.dir, "--store", d.store)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("sysc %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	t.Logf("sysc %s took %v", args[0], time.Since(start).Round(time.Second))
}

// image makes a disk image and returns its path.
func (d *vmDefinition) image(t *testing.T, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk.raw")
	d.sysc(t, append([]string{"image", "--output", path}, args...)...)
	return path
}

// rootShell makes systemd log root in on the serial console, which nothing on the disk
// does: the system is the one that users get.
// On a machine that does other things, too, the console's device may be late.
var rootShell = map[string]string{
	"systemd.unit-dropin.dev-ttyS0.device":           "[Unit]\nJobRunningTimeoutSec=infinity\n",
	"systemd.unit-dropin.serial-getty@ttyS0.service": "[Service]\nExecStart=\nExecStart=-/sbin/agetty --autologin root --noclear --keep-baud 115200 %I vt220\n",
}

// A vmConsole is a machine with a shell.
type vmConsole struct {
	t *testing.T
	*vm.Machine
}

// startMachine starts a machine and waits for its prompt.
func startMachine(t *testing.T, disk string) *vmConsole {
	t.Helper()
	c := power(t, disk)
	start := time.Now()
	c.login()
	t.Logf("from power on to login: %v", time.Since(start).Round(time.Second))
	return c
}

// power starts a machine with a disk.
func power(t *testing.T, disk string) *vmConsole {
	t.Helper()
	return powerWith(t, vm.Options{Disk: disk})
}

// powerWith starts a machine as opts say, and what all machines of tests have.
func powerWith(t *testing.T, opts vm.Options) *vmConsole {
	t.Helper()
	var log bytes.Buffer
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("console:\n%s", log.Bytes())
		}
	})
	opts.Dir, opts.Accelerator, opts.Reboot = t.TempDir(), "tcg", true
	credentials := maps.Clone(rootShell)
	maps.Copy(credentials, opts.Credentials)
	opts.Credentials = credentials
	m, err := vm.Start(t.Context(), opts, vm.NewTimedWriter(&log))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Stop)
	return &vmConsole{t, m}
}

// login waits for the login prompt, and root's behind it. What the kernel says is kept
// from there on out of what commands print.
func (c *vmConsole) login() {
	c.t.Helper()
	c.expect(`\S+ login: root \(automatic login\)`)
	c.expect(`# `)
	c.run("dmesg --console-off")
}

func (c *vmConsole) expect(pattern string) []string {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), bootTimeout)
	defer cancel()
	found, err := c.Expect(ctx, regexp.MustCompile(pattern))
	if err != nil {
		c.t.Fatal(err)
	}
	return found
}

// run runs a command in the machine and returns what it prints, and its exit code.
func (c *vmConsole) run(command string) (string, string) {
	c.t.Helper()
	// The echo of what is typed has the words apart.
	if err := c.Send("echo BE''GIN; " + command + "; echo EN''D $?\n"); err != nil {
		c.t.Fatal(err)
	}
	found := c.expect(`BEGIN\r?\n((?s:.*?))END (\d+)\r?\n`)
	return strings.TrimSpace(strings.ReplaceAll(found[1], "\r", "")), found[2]
}

// must runs a command that has to succeed.
func (c *vmConsole) must(command string) string {
	c.t.Helper()
	out, code := c.run(command)
	if code != "0" {
		c.t.Errorf("%s: exit code %s\n%s", command, code, out)
	}
	return out
}

// off switches the machine off and waits until it is.
func (c *vmConsole) off() {
	c.t.Helper()
	if err := c.Send("systemctl poweroff\n"); err != nil {
		c.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(c.t.Context(), bootTimeout)
	defer cancel()
	if err := c.Wait(ctx); err != nil {
		c.t.Fatal(err)
	}
}

// TestVMMinimal: the smallest example, as a disk, boots under UEFI. It is built once for
// what is told of it.
func TestVMMinimal(t *testing.T) {
	d := newVMDefinition(t, "minimal")
	disk := d.image(t)
	if first, second := fileDigest(t, disk), fileDigest(t, d.image(t)); first != second {
		t.Errorf("two images of one system have the digests %s and %s", first, second)
	}
	t.Run("boots", func(t *testing.T) { bootsMinimal(t, disk) })
	t.Run("falls back", func(t *testing.T) { fallsBack(t, disk) })
}

// bootsMinimal: everything is in its place, and what is written stays.
func bootsMinimal(t *testing.T, disk string) {
	c := startMachine(t, disk)
	if got := c.must("cat /etc/motd"); got != "Welcome to a system composed by sysc." {
		t.Errorf("/etc/motd: %q", got)
	}
	if got := c.must("readlink /sysc/generations/current"); got != "1" {
		t.Errorf("current generation %q", got)
	}
	for _, path := range []string{"/usr/x", "/bin/x", "/x", "/opt/x"} {
		if out, code := c.run("touch " + path); code == "0" || !strings.Contains(out, "Read-only file system") {
			t.Errorf("touch %s: exit code %s, %s", path, code, out)
		}
	}
	for _, path := range []string{"/etc/x", "/var/x", "/home/ada/x", "/root/x", "/tmp/x", "/srv/x"} {
		c.must("touch " + path)
	}
	if got := c.must("stat -c %U:%G:%a /home/ada /etc/shadow"); !strings.HasPrefix(got, "ada:ada:7") || !strings.HasSuffix(got, "root:shadow:640") {
		t.Errorf("owners and modes: %q", got)
	}
	if out := c.must("dpkg --audit; dpkg -V"); out != "" {
		t.Errorf("dpkg finds: %s", out)
	}
	if got := c.must("systemctl show -P Result hello.service"); got != "success" {
		t.Errorf("hello.service: %q", got)
	}
	if out, _ := c.run("systemctl is-system-running --wait"); out != "running" {
		failed, _ := c.run("systemctl --failed --no-legend --plain")
		t.Errorf("the system is %q; failed units: %s", out, failed)
	}
	c.off()
	c = startMachine(t, disk)
	c.must("test -e /etc/x -a -e /var/x -a -e /home/ada/x -a -e /root/x -a ! -e /tmp/x")
	c.off()
}

// fallsBack: an entry whose generation cannot be mounted is tried as often as its name
// says. Then the machine comes back on the one before.
func fallsBack(t *testing.T, disk string) {
	const entries = "::/loader/entries/"
	mtools := func(name string, args ...string) string {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), name, append([]string{"-i", disk + "@@1M"}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		return string(out)
	}
	entry := mtools("mtype", entries+"sysc-1.conf")
	for _, change := range [][2]string{{"version  1", "version  2"}, {"sysc.generation=1", "sysc.generation=2"}} {
		if !strings.Contains(entry, change[0]) {
			t.Fatalf("the entry has no %q:\n%s", change[0], entry)
		}
		entry = strings.ReplaceAll(entry, change[0], change[1])
	}
	broken := filepath.Join(t.TempDir(), "entry")
	if err := os.WriteFile(broken, []byte(entry), 0o644); err != nil {
		t.Fatal(err)
	}
	mtools("mcopy", broken, entries+"sysc-2+2.conf")
	c := power(t, disk)
	for range 2 {
		c.expect(`sysc: mount composefs image \S+/generations/2/root.cfs: .*no such file`)
		c.expect(`sysc: resetting`)
	}
	c.login()
	if got := c.must("cat /proc/cmdline"); !strings.Contains(got, "sysc.generation=1") {
		t.Errorf("command line %q", got)
	}
	c.off()
	if list := mtools("mdir", "-b", entries); !strings.Contains(list, "sysc-1.conf") || !strings.Contains(list, "sysc-2+0-2.conf") {
		t.Errorf("entries afterwards:\n%s", list)
	}
}

// machineUnits are units of a definition that changes: one stays, one goes, one is
// changed, and one comes.
const machineUnits = `
  unit "keep.service" {
    wanted_by = ["multi-user.target"]
    content   = "[Service]\nExecStart=/bin/sleep infinity\n"
  }
  unit "gone.service" {
    wanted_by = ["multi-user.target"]
    content   = "[Service]\nExecStart=/bin/sleep 1001\n"
  }
  unit "changed.service" {
    wanted_by = ["multi-user.target"]
    content   = "[Service]\nExecStart=/bin/sleep 1002\n"
  }
`

// failingCheck fails where sysc asks it, with something to say.
const failingCheck = `
  health_check "reason" {
    command = ["/bin/sh", "-c", "echo this is why; exit 1"]
    timeout = "1s"
  }
`

// reader reads files of /usr and /etc in a loop until /run/stop is there, and writes how
// often, and how often that went wrong, to /run/reads.
const reader = `(n=0; bad=0; while [ ! -e /run/stop ]; do ` +
	`read -r a < /usr/lib/os-release && read -r b < /etc/motd || bad=$((bad+1)); case "$a$b" in PRETTY*Welcome*) ;; *) bad=$((bad+1));; esac; ` +
	`n=$((n+1)); done; echo $n $bad > /run/reads.new; mv /run/reads.new /run/reads) & true`

// TestVMChangesItself: a machine makes generations of its own, takes them while it runs
// and when it starts, goes back, and comes back by itself from one that is not good. It
// is one story, for starting a machine takes most of the time.
func TestVMChangesItself(t *testing.T) {
	d := newVMDefinition(t, "minimal")
	file := filepath.Join(d.dir, "minimal.sysc.hcl")
	d.edit(t, file, `"systemd-boot-efi",`, `"systemd-boot-efi", "systemd-boot-tools",`)
	d.edit(t, file, "  boot {\n", machineUnits+"\n  boot {\n    tries = 3\n")
	d.sysc(t, "lock")
	disk := d.image(t)
	changed := d.variant(t, "changed", `"gone.service"`, `"new.service"`, "sleep 1002", "sleep 1003", "composed by sysc", "changed by sysc")
	broken := d.variant(t, "broken", `"gone.service"`, `"new.service"`, "sleep 1002", "sleep 1004", "composed by sysc", "broken by sysc", "  boot {\n", failingCheck+"\n  boot {\n")
	// Definitions get to the machine by the one file system that can be written to from
	// here.
	archive := filepath.Join(t.TempDir(), "definitions.tar")
	for _, command := range [][]string{
		{"tar", "-C", filepath.Dir(d.dir), "-cf", archive, changed, broken},
		{"mcopy", "-i", disk + "@@1M", archive, "::/definitions.tar"},
	} {
		if out, err := exec.CommandContext(t.Context(), command[0], command[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", command, err, out)
		}
	}
	c := startMachine(t, disk)
	c.must("tar -C /root -xf /efi/definitions.tar")
	c.must("systemd-analyze verify /etc/systemd/system/sysc-*.service")
	c.switchesLive()
	c.reboots()
	c.wantBooted("2")
	if got := c.must("ls /efi/loader/entries"); !strings.Contains(got, "sysc-1.conf") || !strings.Contains(got, "sysc-2.conf") {
		t.Errorf("entries of good generations: %s", got)
	}
	c.must("test $(systemctl is-active new.service) = active")
	c.staysOnFailure()
	c.comesBack()
	c.sysc("rollback", "0")
	if got := c.must("cat /etc/motd"); got != "Welcome to a system composed by sysc." {
		t.Errorf("/etc/motd after going back: %q", got)
	}
	c.reboots()
	c.wantBooted("1")
	c.off()
}

// variant makes a copy of the definition beside it, with other texts in place of some,
// and returns its name.
func (d *vmDefinition) variant(t *testing.T, name string, replaced ...string) string {
	t.Helper()
	dir := filepath.Join(filepath.Dir(d.dir), name)
	if err := os.CopyFS(dir, os.DirFS(d.dir)); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(replaced); i += 2 {
		d.edit(t, filepath.Join(dir, "minimal.sysc.hcl"), replaced[i], replaced[i+1])
	}
	return name
}

// edit changes a file of the definition.
func (d *vmDefinition) edit(t *testing.T, file, old, new string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), old) {
		t.Fatalf("%s has no %q", file, old)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(string(text), old, new, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
}

// sysc runs sysc in the machine and wants an exit code; it returns what that prints.
func (c *vmConsole) sysc(args, want string) string {
	c.t.Helper()
	start := time.Now()
	out, code := c.run("sysc " + args + " --progress none 2>&1")
	c.t.Logf("in the machine: sysc %s took %v", args, time.Since(start).Round(time.Second))
	if code != want {
		c.t.Fatalf("sysc %s: exit code %s, want %s\n%s", args, code, want, out)
	}
	return out
}

// pids are the main processes of units.
func (c *vmConsole) pids(units ...string) []string {
	c.t.Helper()
	return strings.Fields(c.must("systemctl show --value --property=MainPID " + strings.Join(units, " ")))
}

func (c *vmConsole) wantBooted(generation string) {
	c.t.Helper()
	if got := c.must("cat /proc/cmdline"); !strings.Contains(got, "sysc.generation="+generation+" ") {
		c.t.Errorf("started with %s, want generation %s", got, generation)
	}
	if got := c.must("readlink /sysc/generations/current"); got != generation {
		c.t.Errorf("current generation %s, want %s", got, generation)
	}
	c.must("systemctl is-active --quiet sysc-good.service || systemctl start sysc-good.service") // which may still be waited for
}

// reboots starts the machine again and waits for the prompt.
func (c *vmConsole) reboots() {
	c.t.Helper()
	start := time.Now()
	if err := c.Send("systemctl reboot\n"); err != nil {
		c.t.Fatal(err)
	}
	c.login()
	c.t.Logf("from reboot to login: %v", time.Since(start).Round(time.Second))
}

// switchesLive: generation 2 takes the place of generation 1 while the machine runs.
func (c *vmConsole) switchesLive() {
	c.t.Helper()
	before := c.pids("keep.service", "changed.service", "systemd-logind.service", "dbus.service")
	c.must(reader)
	out := c.sysc("switch -C /root/changed", "0")
	if !strings.Contains(out, "Switched to generation 2") {
		c.t.Errorf("switch: %s", out)
	}
	after := c.pids("keep.service", "changed.service", "systemd-logind.service", "dbus.service")
	if len(after) != 4 || after[0] != before[0] || after[1] == before[1] || after[2] != before[2] || after[3] != before[3] {
		c.t.Errorf("processes before %v, after %v", before, after)
	}
	if got, _ := c.run("systemctl is-active gone.service new.service changed.service"); strings.Join(strings.Fields(got), " ") != "inactive active active" {
		c.t.Errorf("units: %s", got)
	}
	got := strings.Fields(c.must("touch /run/stop; while [ ! -e /run/reads ]; do sleep 1; done; cat /run/reads"))
	if n := len(got); n < 2 || got[n-1] != "0" {
		c.t.Errorf("reads, and those that failed: %v", got)
	} else {
		c.t.Logf("%s reads beside the switch, and none went wrong", got[n-2])
	}
	if got := c.must("cat /etc/motd"); got != "Welcome to a system changed by sysc." {
		c.t.Errorf("/etc/motd: %q", got)
	}
	if out, code := c.run("touch /usr/x"); code == "0" || !strings.Contains(out, "Read-only file system") {
		c.t.Errorf("touch /usr/x: exit code %s, %s", code, out)
	}
	c.sysc("store verify", "0")
	// systemd's own tool reads every entry.
	for _, want := range []string{`"id":"sysc-1.conf"`, `"id":"sysc-2.conf"`, `"triesLeft":3`} {
		if got := c.must("bootctl list --json=short"); !strings.Contains(got, want) {
			c.t.Errorf("bootctl list has no %s: %s", want, got)
		}
	}
}

// staysOnFailure: a generation that is not good does not stay, and what it replaced is
// what it was.
func (c *vmConsole) staysOnFailure() {
	c.t.Helper()
	out := c.sysc("switch -C /root/broken", "21")
	if !strings.Contains(out, "health check reason") {
		c.t.Errorf("switch to a bad generation: %s", out)
	}
	if got := c.must("cat /etc/motd; readlink /sysc/generations/current; systemctl show -P ExecStart changed.service"); !strings.HasPrefix(got, "Welcome to a system changed by sysc.\n2\n") || !strings.Contains(got, "sleep 1003") {
		c.t.Errorf("afterwards: %s", got)
	}
	if got, _ := c.run("systemctl is-active new.service changed.service keep.service"); strings.Join(strings.Fields(got), " ") != "active active active" {
		c.t.Errorf("units afterwards: %s", got)
	}
}

// comesBack: the same generation, taken at the next start, gives way to the last good one
// without anybody's help, and it is told why.
func (c *vmConsole) comesBack() {
	c.t.Helper()
	c.sysc("boot -C /root/broken", "0")
	if err := c.Send("systemctl reboot\n"); err != nil {
		c.t.Fatal(err)
	}
	const booting = `sysc: booting generation (\d+) from`
	if first, second := c.expect(booting)[1], c.expect(booting)[1]; first == "2" || second != "2" {
		c.t.Errorf("the machine started with generation %s, then %s", first, second)
	}
	c.login()
	c.wantBooted("2")
	got := c.sysc("status --json", "0")
	for _, want := range []string{`"fallback"`, `"name": "reason"`, `"this is why"`, `"to": 2`} {
		if !strings.Contains(got, want) {
			c.t.Errorf("status has no %s: %s", want, got)
		}
	}
	if got := c.must("cat /run/motd.d/sysc"); !strings.Contains(got, "did not work") || !strings.Contains(got, "came back to generation 2") {
		c.t.Errorf("banner: %s", got)
	}
}

func fileDigest(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", sum.Sum(nil))
}
