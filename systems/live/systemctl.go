package live

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"
)

// A unit is one that systemd has loaded.
type unit struct {
	name   string // its own, not an alias
	active bool
	failed bool
	// control is its control group, below the file system of these.
	control string
	// refuses is set when it can be stopped by other units only.
	refuses bool
	// early is set when it is a step of starting the machine that ends by itself.
	early bool
}

// kinds are the units that are looked at. Mounts and what belongs to devices stay until
// the machine is started again; slices and scopes have no files of their own to speak of.
var kinds = []string{"*.service", "*.socket", "*.timer", "*.path", "*.target"}

// properties are what is asked of each unit (org.freedesktop.systemd1(5)).
var properties = []string{"Id", "ActiveState", "ControlGroup", "RefuseManualStop", "Type", "DefaultDependencies"}

// loadedUnits asks systemd for its units.
func loadedUnits(ctx context.Context) ([]unit, error) {
	args := append([]string{"show", "--property=" + strings.Join(properties, ","), "--"}, kinds...)
	out, err := systemctl(ctx, args...)
	if err != nil {
		return nil, err
	}
	return parseUnits(out), nil
}

// unitsNamed asks systemd for some units.
func unitsNamed(ctx context.Context, names []string) ([]unit, error) {
	if len(names) == 0 {
		return nil, nil
	}
	args := append([]string{"show", "--property=" + strings.Join(properties, ","), "--"}, names...)
	out, err := systemctl(ctx, args...)
	if err != nil {
		return nil, err
	}
	return parseUnits(out), nil
}

// parseUnits reads what systemctl show prints: a line "NAME=VALUE" for each property, and
// an empty line between units.
func parseUnits(text []byte) []unit {
	var list []unit
	var u unit
	var oneshot, alone bool
	end := func() {
		if u.name != "" {
			u.early = oneshot && alone
			list = append(list, u)
		}
		u, oneshot, alone = unit{}, false, false
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" {
			end()
			continue
		}
		name, value, _ := strings.Cut(line, "=")
		switch name {
		case "Id":
			u.name = value
		case "ActiveState":
			u.active = value == "active" || value == "activating" || value == "reloading" || value == "refreshing"
			u.failed = value == "failed"
		case "ControlGroup":
			u.control = value
		case "RefuseManualStop":
			u.refuses = value == "yes"
		case "Type":
			oneshot = value == "oneshot"
		case "DefaultDependencies":
			alone = value == "no"
		}
	}
	end()
	return list
}

// systemctl runs it and returns what it prints.
func systemctl(ctx context.Context, args ...string) ([]byte, error) {
	return run(ctx, append([]string{"systemctl"}, args...)...)
}

// run runs a program of the machine. An error has what it says in it.
func run(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	cmd.Dir = "/"
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("run %s: %w: %s", strings.Join(args[:min(2, len(args))], " "), err, bytes.TrimSpace(said.Bytes()))
	}
	return out.Bytes(), nil
}
