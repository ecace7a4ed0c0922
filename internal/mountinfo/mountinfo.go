// Package mountinfo reads what is mounted where, from /proc/self/mountinfo (see
// proc_pid_mountinfo(5)).
package mountinfo

import (
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

// A Mount is a line of /proc/self/mountinfo.
type Mount struct{ Root, Point, Type string }

// Read reads them all; proc is /proc.
func Read(proc fs.FS) ([]Mount, error) {
	data, err := fs.ReadFile(proc, "self/mountinfo")
	if err != nil {
		return nil, err
	}
	return Parse(string(data))
}

// Parse reads what stands in such a file, of any process.
func Parse(text string) ([]Mount, error) {
	var mounts []Mount
	for line := range strings.Lines(text) {
		// An unknown number of fields before the dash.
		before, after, ok := strings.Cut(line, " - ")
		fields := strings.Fields(before)
		if !ok || len(fields) < 5 {
			return nil, fmt.Errorf("unknown line %q in mountinfo", line)
		}
		fstype, _, _ := strings.Cut(after, " ")
		mounts = append(mounts, Mount{unescape(fields[3]), unescape(fields[4]), fstype})
	}
	return mounts, nil
}

// unescape replaces \040 and its like, by which the kernel writes white space
// and backslashes.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if c, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(c))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
