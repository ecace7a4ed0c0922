package sandbox

import (
	"errors"
	"os"
)

// CheckCaller returns an error in a set-id program. Whoever starts one chooses
// its environment, standard files, limits and working directory; with those of a
// stranger, nothing is to be built with somebody else's rights. A program should
// call it before it reads a variable, [Run] does so anyway.
func CheckCaller() error {
	return checkIDs(os.Getuid(), os.Geteuid(), os.Getgid(), os.Getegid())
}

func checkIDs(uid, euid, gid, egid int) error {
	if uid != euid || gid != egid {
		return errors.New("this program is set-id and refuses to run: chmod ug-s it, and use sudo to build as somebody else")
	}
	return nil
}
