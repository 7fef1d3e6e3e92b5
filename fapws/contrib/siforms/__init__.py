"""Small forms: widgets with a label and rules, HTML with everything escaped, errors beside the fields.

    from fapws.contrib.siforms import forms, widgets

    class Order(forms.Form):
        name = widgets.Text("Your name", required=True)
        count = widgets.Integer("How many", default=1)

    def order(environ, start_response):
        form = Order(action="/order")
        params = environ["fapws.params"]
        if params and form.validate(params):
            return f"{form.values['count']} pieces"
        return form.render_form()

    PATHS = [("/order", order)]

As in fapws3, except that everything is escaped, that what the visitor entered is shown again as it was, and
that a choice must be among the options. fapws3's list of records (``render_list``) is not here.
"""
