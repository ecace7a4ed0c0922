package main

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"sysc/modules"
	"sysc/modules/evalcache"
)

// memory is where evaluations are remembered; nil when they are not to be, or nobody
// says where.
func (a *app) memory() *modules.Memory {
	program, ok := thisProgram()
	dir, hasDir := a.evaluationsPath()
	if a.noEvalCache || !ok || !hasDir {
		return nil
	}
	return &modules.Memory{Cache: evalcache.New(dir), Program: program}
}

// evaluationsPath is the directory for evaluations.
func (a *app) evaluationsPath() (dir string, ok bool) {
	cache, ok := a.cachePath()
	return filepath.Join(cache, "evaluations"), ok
}

// cachePath is the directory for what can be had anew, if the environment says where
// that is (XDG Base Directory Specification).
func (a *app) cachePath() (dir string, ok bool) {
	if cache := a.getenv("XDG_CACHE_HOME"); filepath.IsAbs(cache) {
		return filepath.Join(cache, "sysc"), true
	}
	if home := a.getenv("HOME"); filepath.IsAbs(home) {
		return filepath.Join(home, ".cache", "sysc"), true
	}
	return "", false
}

// thisProgram identifies the program that runs. Versions do not: one that is being
// developed has many states with one version.
func thisProgram() (id string, ok bool) {
	info, err := os.Stat("/proc/self/exe")
	if err != nil {
		return "", false
	}
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return "", false
	}
	return fmt.Sprint(s.Dev, s.Ino, s.Size, s.Mtim, s.Ctim), true
}
