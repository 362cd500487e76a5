package power

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// alarmSlack is by how much an alarm may be off: some clocks have alarms to the minute.
const alarmSlack = time.Minute

// SetAlarm has the machine's real-time clock wake it after d, also from suspend, and where the firmware can from power-off (sysfs, class rtc). It
// reads the alarm back: nil means that the clock has it. root is where the system's files are. The error is errors.ErrUnsupported if no clock has an alarm.
func SetAlarm(root string, d time.Duration) error {
	rtc, err := alarmClock(root)
	if err != nil {
		return err
	}
	// What the clock calls now: it need not go by the system's time, nor by UTC.
	now, err := readSeconds(filepath.Join(rtc, "since_epoch"))
	if err != nil {
		return err
	}
	at := now + int64(d/time.Second)
	alarm := filepath.Join(rtc, "wakealarm")
	for _, value := range []int64{0, at} { // one that is set can't be changed, only taken back
		if err := os.WriteFile(alarm, []byte(strconv.FormatInt(value, 10)), 0o644); err != nil {
			return fmt.Errorf("the clock's alarm can't be set: %w", err)
		}
	}
	got, err := readSeconds(alarm)
	if err != nil {
		return err
	}
	if off := time.Duration(got-at) * time.Second; off.Abs() > alarmSlack {
		return fmt.Errorf("%s: the clock has another alarm than the one that was set: it is off by %v", alarm, off)
	}
	// Clocks that may wake the machine usually say so already.
	if wakeup := filepath.Join(rtc, "device", "power", "wakeup"); exists(wakeup) {
		if err := os.WriteFile(wakeup, []byte("enabled"), 0o644); err != nil {
			return fmt.Errorf("the clock isn't allowed to wake the machine: %w", err)
		}
	}
	return nil
}

// ClearAlarm takes the alarm back.
func ClearAlarm(root string) error {
	rtc, err := alarmClock(root)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(rtc, "wakealarm"), []byte("0"), 0o644)
}

// alarmClock is the folder of the first clock that has an alarm.
func alarmClock(root string) (string, error) {
	list, err := filepath.Glob(filepath.Join(root, "sys", "class", "rtc", "rtc*", "wakealarm"))
	if err != nil || len(list) == 0 {
		return "", fmt.Errorf("this machine has no clock with an alarm that could wake it (/sys/class/rtc/*/wakealarm): %w", errors.ErrUnsupported)
	}
	return filepath.Dir(list[0]), nil
}

func readSeconds(path string) (int64, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s has no time in it: %.20q", path, data)
	}
	return n, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
