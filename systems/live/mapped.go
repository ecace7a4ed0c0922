package live

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// cgroups is where control groups of version 2 are mounted.
const cgroups = "/sys/fs/cgroup"

// mapsChanged reports whether a process of a unit has a file mapped that differs.
func (c *Change) mapsChanged(ctx context.Context, u unit) (bool, error) {
	if u.control == "" || u.control == "/" {
		return false, nil
	}
	pids, err := processesIn(filepath.Join(cgroups, u.control))
	if err != nil {
		return false, err
	}
	for _, pid := range pids {
		maps, err := os.ReadFile("/proc/" + pid + "/maps")
		if err != nil {
			continue // it has ended
		}
		for _, name := range mappedFiles(string(maps)) {
			at, err := c.inTree(ctx, name)
			if err != nil {
				return false, err
			}
			if at == "" {
				continue
			}
			if differs, err := c.differsAt(ctx, at); differs || err != nil {
				return differs, err
			}
		}
	}
	return false, nil
}

// processesIn returns the processes of a control group and of those below it.
func processesIn(dir string) ([]string, error) {
	var pids []string
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || !e.IsDir() {
			return err
		}
		data, err := os.ReadFile(filepath.Join(path, "cgroup.procs"))
		if err == nil {
			pids = append(pids, strings.Fields(string(data))...)
		}
		return nil // one that has gone, or has threads only
	})
	return pids, err
}

// mappedFiles returns the files in the text of /proc/PID/maps, sorted: in the sixth field
// of a line (proc_pid_maps(5)).
func mappedFiles(maps string) []string {
	var names []string
	for line := range strings.Lines(maps) {
		rest := line
		for range 5 {
			rest = strings.TrimLeft(rest, " ")
			at := strings.IndexByte(rest, ' ')
			if at < 0 {
				rest = ""
				break
			}
			rest = rest[at:]
		}
		name := strings.TrimSuffix(strings.TrimSpace(rest), " (deleted)")
		if strings.HasPrefix(name, "/") && !strings.HasPrefix(name, "/memfd:") && !strings.HasPrefix(name, "/dev/") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// ownUnit returns the unit that this process runs in, "" when that is not known.
func ownUnit() string {
	data, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return ""
	}
	return unitOf(string(data))
}

// unitOf reads /proc/PID/cgroup: of version 2, the line "0::PATH".
func unitOf(text string) string {
	for line := range strings.Lines(text) {
		control, ok := strings.CutPrefix(strings.TrimSpace(line), "0::")
		if !ok {
			continue
		}
		for _, part := range slices.Backward(strings.Split(control, "/")) {
			switch filepath.Ext(part) {
			case ".service", ".scope":
				return part
			}
		}
	}
	return ""
}
