package universe

import (
	"path"
	"slices"
	"strings"
)

// Priorities of versions that nothing gives another one (apt_preferences(5)).
const (
	// PinDefault is that of an archive.
	PinDefault = 500
	// PinUpgrades is that of an archive whose packages are taken when no other will
	// do, as backports: NotAutomatic and ButAutomaticUpgrades.
	PinUpgrades = 100
	// PinNotAutomatic is that of an archive whose packages are for those who ask for
	// them, as experimental.
	PinNotAutomatic = 1
)

// A Pin gives some packages a priority. What is empty fits everything.
type Pin struct {
	// Packages are patterns of names, with "*" and "?".
	Packages []string
	// Suite is the name of one, Version the beginning of one and "*", or a version.
	Suite, Version string
	// Priority orders the versions of a package, higher before newer; one below 0 keeps
	// a version from being installed.
	Priority int
}

// An Origin is what the packages of one index have in common.
type Origin struct {
	// Input is the name of the input that the index belongs to.
	Input string
	// Archive is the name of the mirror that has the files, "" for files of the
	// definition's own.
	Archive string
	Suite   string
	// Pin is the priority of the packages that none of Pins fits; of several that fit,
	// the first counts.
	Pin  int
	Pins []Pin
}

// PinOf returns the priority of a version of a package.
func (o *Origin) PinOf(name, version string) int {
	for i := range o.Pins {
		if o.Pins[i].Fits(name, version, o.Suite) {
			return o.Pins[i].Priority
		}
	}
	return o.Pin
}

// Fits reports whether a pin is for a version of a package in a suite.
func (pin *Pin) Fits(name, version, suite string) bool {
	if pin.Suite != "" && pin.Suite != suite {
		return false
	}
	beginning, open := strings.CutSuffix(pin.Version, "*")
	if pin.Version != "" && version != pin.Version && !(open && strings.HasPrefix(version, beginning)) {
		return false
	}
	return len(pin.Packages) == 0 || slices.ContainsFunc(pin.Packages, func(pattern string) bool {
		ok, err := path.Match(pattern, name)
		return err == nil && ok // a bad pattern fits nothing
	})
}

// tier orders packages of several names: those that may come in by themselves
// before those that are a last resort. That one version of a package is preferred
// to another says nothing about other packages.
func (p *Package) tier() int { return min(p.Pin, PinDefault) }
