"""The exercises of each lesson: hints, misconceptions, and a check with fresh random cases."""
