package main

import (
	"errors"
	"os"
	"path/filepath"

	"sysc/store/localstore"
	"sysc/systems/activate"
	"sysc/systems/boot"
	"sysc/systems/generation"
	"sysc/systems/image"
	"sysc/systems/live"
)

// Where a machine that sysc's initrd has started has its things, see package earlyboot.
const (
	hereData  = "/run/sysc/data"
	hereRun   = "/run/sysc"
	hereStore = "/sysc"
)

// here reports whether the run is about the machine that it runs on, which boots into its
// generations: no directory is named, and sysc's initrd has started it.
func (a *app) here() bool {
	if a.home != nil {
		return false
	}
	switch filepath.Clean(a.root) {
	case ".", "/", hereData:
		return startedBySysc()
	}
	return false
}

func startedBySysc() bool {
	if activate.Booted("/") == 0 {
		return false
	}
	info, err := os.Stat(filepath.Join(hereData, generation.Dir))
	return err == nil && info.IsDir()
}

// hasMachine reports whether the run is about a machine or a home.
func (a *app) hasMachine() bool { return a.root != "" || a.home != nil || a.here() }

// booted is the generation that the machine of this run was started with, 0 when it does
// not run.
func (a *app) booted(machine string) generation.Number {
	if a.here() {
		return activate.Booted("/")
	}
	return activate.Booted(machine)
}

// bootsHere is the machine that runs here as far as its boot partition goes, nil when the
// run is about a directory.
func (a *app) bootsHere() *activate.Machine {
	if !a.here() {
		return nil
	}
	return &activate.Machine{Boot: "/" + image.BootDir, Firmware: boot.EFIVariables}
}

// useStore completes a request by the store that it takes its files from.
func (a *app) useStore(req *activate.Request, st *localstore.Store) error {
	req.Store = st
	if req.Machine == nil {
		return nil
	}
	// A generation is mounted over the blobs of the machine's own store.
	own, err := os.Stat(hereStore)
	if err != nil {
		return err
	}
	if dir, err := os.Stat(st.Dir()); err != nil || !os.SameFile(own, dir) {
		return errors.Join(errors.New("a machine's generations are in its own store, "+hereStore+": leave --store and $SYSC_STORE out, or name a directory with --root"), err)
	}
	req.Machine.Store = st
	req.Machine.Live = &live.Machine{Root: "/", Data: hereData, Run: hereRun, Source: st, BlobPath: localstore.BlobPath}
	return nil
}
