// Command placeholder writes the file vitrine.toml of an image's boot partition, for build/image/build.
package main

import (
	"fmt"
	"os"

	"vitrine/platform/flash"
)

func main() {
	if _, err := os.Stdout.Write(flash.Placeholder()); err != nil {
		fmt.Fprintln(os.Stderr, "placeholder:", err)
		os.Exit(1)
	}
}
