package earlyboot

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Disks appear when their drivers have found them, which nobody announces to a
// program without a socket of udev's: they are looked for again and again.
const (
	deviceTimeout = 60 * time.Second
	devicePause   = 20 * time.Millisecond
)

// A device is a block device with a file system.
type device struct {
	path string
	filesystem
}

// waitForDevice returns the device that spec names (see [Parameters.Data]), as soon
// as it is there. look makes the kernel find devices.
func waitForDevice(spec string, look func()) (*device, error) {
	deadline := time.Now().Add(deviceTimeout)
	for {
		look()
		dev, err := findDevice("/sys/class/block", "/dev", spec)
		if dev != nil {
			return dev, nil
		}
		if time.Now().After(deadline) {
			if err == nil {
				err = fmt.Errorf("there is none after %v", deviceTimeout)
			}
			return nil, fmt.Errorf("find data partition %s: %w", spec, err)
		}
		time.Sleep(devicePause)
	}
}

// findDevice looks once through the block devices in sys, whose files are in dev. It
// returns nil when the one that spec names is not there, or has no file system that
// is known; the error says why, if anything more is known.
func findDevice(sys, dev, spec string) (*device, error) {
	if path, ok := strings.CutPrefix(spec, "/dev/"); ok {
		return probeDevice(filepath.Join(dev, path))
	}
	kind, value, _ := strings.Cut(spec, "=")
	entries, err := os.ReadDir(sys)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		switch kind {
		case "PARTLABEL":
			if partitionName(filepath.Join(sys, e.Name(), "uevent")) == value {
				return probeDevice(filepath.Join(dev, e.Name()))
			}
		case "UUID":
			d, _ := probeDevice(filepath.Join(dev, e.Name())) // a drive without a disk
			if d != nil && strings.EqualFold(d.uuid, value) {
				return d, nil
			}
		default:
			return nil, fmt.Errorf("neither PARTLABEL=, UUID= nor /dev/")
		}
	}
	return nil, nil
}

// probeDevice looks at the file system of a device.
func probeDevice(path string) (*device, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	found, err := probe(f)
	if err != nil {
		return nil, err
	}
	if found.kind == "" {
		return nil, fmt.Errorf("%s has no file system that is known", path)
	}
	return &device{path, found}, nil
}

// partitionName reads a partition's name out of what the kernel says of it; ""
// for one without a name.
func partitionName(uevent string) string {
	data, err := os.ReadFile(uevent)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(data)) {
		if name, ok := strings.CutPrefix(line, "PARTNAME="); ok {
			return strings.TrimSuffix(name, "\n")
		}
	}
	return ""
}
