package systems

import (
	"fmt"
	"strings"

	"sysc/store"
)

// A Kind says what a definition is made for: a machine, or the home directory of a
// user. A home is a tree of files below that directory, and has no packages,
// accounts, kernel or owners: all of it belongs to the user.
type Kind string

// The kinds. The zero Kind is that of systems, so that it is in no encoding.
const (
	Machine Kind = ""
	Home    Kind = "home"
)

// String returns the word that stands for it in addresses: "system" or "home".
func (k Kind) String() string {
	if k == Machine {
		return "system"
	}
	return string(k)
}

// Address returns what messages call something of that kind, as in "home.anna".
func (k Kind) Address(name string) string { return k.String() + "." + name }

// Shown returns a path of a tree of that kind as people write it. Paths are absolute
// below the tree: "/.profile" of a home is "~/.profile" to them.
func (k Kind) Shown(path string) string {
	if k == Home {
		return "~" + path
	}
	return path
}

// unitDir is where declared units stand in a tree of that kind (systemd.unit(5)).
func (k Kind) unitDir() string {
	if k == Home {
		return "/.config/systemd/user"
	}
	return unitDir
}

// HomeState are the directories, below a home, that are sysc's own: nothing that a
// home declares can stand in them. Never written to.
var HomeState = []string{"/.local/state/sysc", "/.local/share/sysc", "/.cache/sysc"}

// CheckHomePath reports a path, absolute below the home, that a home cannot declare.
func CheckHomePath(path string) error {
	for _, dir := range HomeState {
		if path == dir || strings.HasPrefix(path, dir+"/") {
			return fmt.Errorf("%s is kept by sysc itself", Home.Shown(dir))
		}
	}
	return nil
}

// CheckHomeText reports a text that names something in the store. In a system, the
// store's directory is where such a path leads; around a home there is none.
func CheckHomeText(text string) error {
	if mentionsStore(text) {
		return fmt.Errorf("it names a path in the store, %s, which exists in systems and builds only; take a file of a derivation with source", store.Dir)
	}
	return nil
}

// HomeUnit returns the path of a unit's file in a home.
func HomeUnit(name string) string { return Home.unitDir() + "/" + name }
