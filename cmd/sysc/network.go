package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"sysc/internal/download"
	"sysc/internal/ocifetch"
)

// connections is how many idle connections to one server are kept.
const connections = 8

// client returns what downloads in this run. Which proxy it asks and which
// passwords it has are the machine's and the user's business: definitions and
// derivations have neither.
func (a *app) client() (*download.Client, error) {
	setting := a.proxy
	if setting == "" {
		setting = a.getenv("SYSC_PROXY")
	}
	if setting == "" {
		setting = "environment"
	}
	proxy, err := download.NewProxy(setting, a.getenv)
	if err != nil {
		return nil, fmt.Errorf("--proxy or $SYSC_PROXY: %w", err)
	}
	c := download.New(connections, proxy)
	c.Dirs = a.vendorFiles()
	c.Netrc, err = a.netrc()
	return c, err
}

// registries returns what gets images, with the passwords that this user has for
// registries.
func registries(client *download.Client) *ocifetch.Client {
	return &ocifetch.Client{Download: client, Keychain: ocifetch.UserKeychain()}
}

// netrc reads the passwords of this user: the file that $NETRC names, or
// ~/.netrc, which may be missing.
func (a *app) netrc() (*download.Netrc, error) {
	name := a.getenv("NETRC")
	named := name != ""
	if home := a.getenv("HOME"); !named && filepath.IsAbs(home) {
		name = filepath.Join(home, ".netrc")
	}
	if name == "" {
		return nil, nil
	}
	n, exposed, err := download.ReadNetrc(name)
	if errors.Is(err, fs.ErrNotExist) && !named {
		return nil, nil
	}
	if exposed {
		a.say("Warning: others can read or change the passwords in %s: chmod 600 %[1]s", name)
	}
	return n, err
}
