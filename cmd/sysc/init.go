package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"sysc/internal/atomicfile"
	"sysc/internal/lazyregexp"
	"sysc/internal/shellword"
	"sysc/lang/syntax"
	"sysc/modules"
	"sysc/modules/lock"
	"sysc/systems/distro/debian/hostscan"
)

func (a *app) initCommand() *cobra.Command {
	var name, host string
	var noLock bool
	cmd := &cobra.Command{
		Use:   "init [DIR]",
		Short: "Write a first definition into an empty directory",
		Long: `Write a first definition into a directory that has none, and lock it. The directory
is made when it is missing. What is there already is never changed.

With --from-host it is a definition of what this machine has, if that is a Debian: the
packages that somebody asked for, people's accounts, units of its own, configuration
files that were changed, time zone and locale. Nothing secret is read, and what is left out is said.`,
		Example: "  sysc init laptop\n  sysc init --from-host laptop\n  sysc init --from-host=/mnt --name server    # a machine whose disk is mounted\n  sysc init --no-lock laptop    # without a network",
		Args:    usageArgs(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				a.dir = args[0]
			}
			return a.init(cmd.Context(), name, host, noLock)
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "call the system `NAME` (default: as the directory, or as the machine)")
	cmd.Flags().StringVar(&host, "from-host", "", "write what the machine has whose root is `DIR`")
	cmd.Flags().Lookup("from-host").NoOptDefVal = "/"
	cmd.Flags().BoolVar(&noLock, "no-lock", false, "leave out sysc lock")
	return cmd
}

// firstFile is the file that init writes.
const firstFile = "main" + syntax.Extension

// firstDefinition is what is in it, as docs/getting-started.md explains line by line:
// first the system's name, then the architecture as Debian calls it.
const firstDefinition = `# The definition of a machine. What it may say: sysc options.

# Where packages come from. sysc.lock holds what it has today.
input "debian" {
  type   = "debian"
  suites = ["trixie"]
}

system "%[1]s" {
  base     = input.debian
  hostname = "%[1]s"

  packages = [
    "apt",          # knows the archive, on the machine itself
    "dbus",         # what programs talk to one another by
    "systemd-sysv", # the first process, which starts all others
    # "linux-image-%[2]s", # a kernel; a container has its host's
  ]

  file "/etc/motd" {
    content = "Welcome to ${system.name}.\n"
  }
}
`

// init writes a definition. host is the root of the machine that it is made from, ""
// for none.
func (a *app) init(ctx context.Context, name, host string, noLock bool) error {
	var found *hostscan.Host
	if host != "" {
		var err error
		if found, err = hostscan.Scan(host); err != nil {
			return err
		}
	}
	if name == "" {
		host, err := a.nameOf(found)
		if err != nil {
			return err
		}
		name = nameFromHost(host)
	} else if !hostLabel().MatchString(name) {
		return fmt.Errorf("read --name %q: a name has lower-case letters, digits and - only, a letter first, and is no longer than 63", name)
	}
	if err := os.MkdirAll(a.dir, 0o777); err != nil {
		return fmt.Errorf("make a definition: %w", err)
	}
	if err := noDefinition(a.dir); err != nil {
		return err
	}
	path := filepath.Join(a.dir, firstFile)
	var err error
	if found == nil {
		err = createFile(path, fmt.Appendf(nil, firstDefinition, name, runtime.GOARCH))
	} else {
		err = a.writeHost(path, name, found)
	}
	if err != nil {
		return err
	}
	a.say("Wrote %s, with system %q.", path, name)
	in := ""
	if a.dir != "." {
		in = " -C " + shellword.Quote(a.dir)
	}
	if !noLock {
		if err := a.lock(ctx, modules.LockOptions{}, vendorFlags{}, false); err != nil {
			a.say("The definition stays. When the reason is gone: sysc lock%s", in)
			return err
		}
	}
	a.say("\nWhat to do next:")
	steps := []struct{ command, does string }{
		{"sysc lock" + in, "pin its packages"},
		{"sysc options", "what a definition may say"},
		{"sysc plan" + in + " --root /tmp/machine", "what would be made of it"},
		{"sysc switch" + in + " --root /tmp/machine", "make it"},
	}
	if !noLock {
		steps = steps[1:]
	}
	for _, s := range steps {
		a.say("  %-*s  # %s", len(steps[len(steps)-1].command), s.command, s.does)
	}
	return nil
}

// nameOf is what a machine is called: the one that was looked at, or as the directory of
// its definition; or else this one.
func (a *app) nameOf(found *hostscan.Host) (string, error) {
	if found != nil && found.Name != "" {
		return found.Name, nil
	}
	if dir := filepath.Base(a.dir); found == nil && hostLabel().MatchString(dir) {
		return dir, nil
	}
	host, err := os.Hostname()
	if err != nil {
		return "", fmt.Errorf("find this machine's name: %w: choose one with --name", err)
	}
	return host, nil
}

// hostLabel is a name that can be a system's and a host's (RFC 1123, section 2.1).
var hostLabel = lazyregexp.New(`^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$`)

// nameFromHost makes a system's name of a host's.
func nameFromHost(host string) string {
	first, _, _ := strings.Cut(strings.ToLower(host), ".")
	if !hostLabel().MatchString(first) {
		return "machine"
	}
	return first
}

// noDefinition fails when a directory has a part of a definition.
func noDefinition(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("make a definition: %w", err)
	}
	for _, e := range entries {
		if n := e.Name(); n == lock.FileName || strings.HasSuffix(n, syntax.Extension) || strings.HasSuffix(n, syntax.JSONExtension) {
			return fmt.Errorf("make a definition: %s has one: %s", dir, n)
		}
	}
	return nil
}

// createFile writes a file that must not be there. It is there whole or not at all.
func createFile(path string, data []byte) error {
	aside, err := os.MkdirTemp(filepath.Dir(path), ".init-")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer os.RemoveAll(aside)
	const perm fs.FileMode = 0o644
	tmp := filepath.Join(aside, filepath.Base(path))
	if err := atomicfile.WriteFile(tmp, data, perm); err != nil {
		return err
	}
	if err := os.Link(tmp, path); errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("write %s: it is there already", path)
	} else if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return atomicfile.SyncDir(filepath.Dir(path))
}
