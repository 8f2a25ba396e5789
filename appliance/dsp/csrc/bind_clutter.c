/* clutter: the Python side. */

#include "binding.h"
#include "clutter.h"

static const char clutter_doc[] =
    "ClutterCanceller(*, time_constant_s)\n--\n\n"
    "Subtracts from each carrier and microphone the mean that it follows slowly.\n\n"
    "Args:\n"
    "    time_constant_s: of the mean, above 0.\n\n"
    "Raises:\n"
    "    ValueError: an argument is out of range.\n"
    "    RuntimeError: a method was called while another thread is in one.";

static const char clutter_process_into_doc[] =
    "process_into($self, /, iq, rate_hz, frozen, moving)\n--\n\n"
    "Consume `iq` complex64 [carriers, mics, samples] of at least one sample at `rate_hz`; fill `moving`, of the\n"
    "same type and shape, with what is left without the static part. While `frozen` the mean stays as it is.\n\n"
    "Raises:\n"
    "    TypeError: the type of a buffer is another one.\n"
    "    ValueError: its shape or memory layout is another one, or the rate is not above 0.";

static void clutter_destroy(void *core)
{
    pp_clutter_destroy(core);
}

static PyObject *clutter_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"time_constant_s", NULL};
    double time_constant_s = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "$d:ClutterCanceller", names, &time_constant_s)) {
        return NULL;
    }
    char reason[PP_REASON_BYTES];
    return pp_wrap(type, pp_clutter_create(time_constant_s, reason), clutter_destroy, reason);
}

static void clutter_dealloc(PyObject *self)
{
    pp_unwrap(self, clutter_destroy);
}

static bool cancel(pp_clutter *core, PyObject *iq_object, double rate_hz, bool frozen, PyObject *moving_object)
{
    pp_baseband iq;
    if (!pp_take_baseband(iq_object, rate_hz, &iq)) {
        return false;
    }
    const Py_ssize_t *const shape = iq.view.shape;
    const pp_buffer_wish wish = {"moving", "complex64", "Zf", 8, 4, 3, {shape[0], shape[1], shape[2]}, true};
    Py_buffer moving;
    if (!pp_take(moving_object, &wish, &moving)) {
        PyBuffer_Release(&iq.view);
        return false;
    }
    Py_BEGIN_ALLOW_THREADS
    pp_clutter_execute(core, iq.view.buf, iq.rows, iq.samples, rate_hz, frozen, moving.buf);
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&moving);
    PyBuffer_Release(&iq.view);
    return true;
}

static PyObject *clutter_process_into(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"iq", "rate_hz", "frozen", "moving", NULL};
    PyObject *iq = NULL;
    PyObject *moving = NULL;
    double rate_hz = 0;
    int frozen = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OdpO:process_into", names, &iq, &rate_hz, &frozen, &moving) ||
        !pp_enter(self)) {
        return NULL;
    }
    const bool done = cancel(pp_core(self), iq, rate_hz, frozen != 0, moving);
    pp_leave(self);
    return done ? Py_NewRef(Py_None) : NULL;
}

static PyObject *clutter_reset(PyObject *self, PyObject *none)
{
    (void)none;
    if (!pp_enter(self)) {
        return NULL;
    }
    pp_clutter_reset(pp_core(self));
    pp_leave(self);
    Py_RETURN_NONE;
}

static PyMethodDef clutter_methods[] = {
    {"process_into", (PyCFunction)(void (*)(void))clutter_process_into, METH_VARARGS | METH_KEYWORDS,
     clutter_process_into_doc},
    {"reset", clutter_reset, METH_NOARGS, "reset($self, /)\n--\n\nForget the room."},
    {0},
};

static PyType_Slot clutter_slots[] = {
    {Py_tp_new, clutter_new},         {Py_tp_dealloc, clutter_dealloc}, {Py_tp_methods, clutter_methods},
    {Py_tp_doc, (void *)clutter_doc}, {0, NULL},
};

PyType_Spec pp_clutter_type = {
    .name = "appliance.dsp._core.ClutterCanceller",
    .basicsize = sizeof(pp_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = clutter_slots,
};
