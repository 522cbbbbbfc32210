package disk

import "fmt"

// Join combines errors like errors.Join, but on one line, as messages to a person
// are.
func Join(errs ...error) error {
	var all error
	for _, err := range errs {
		switch {
		case err == nil:
		case all == nil:
			all = err
		default:
			all = fmt.Errorf("%w; then %w", all, err)
		}
	}
	return all
}
