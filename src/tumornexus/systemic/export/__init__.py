"""The equations of the host scale written for other simulators, generated from the code that simulates them."""
