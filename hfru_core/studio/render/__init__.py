"""What the app shows, as HTML and Plotly figures."""
